"""What a replayed trace came to, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.files.storage import storages
from django.db.models import Count, Sum

from agencyportal.core.money import format_money, plain
from agencyportal.core.rendered import RenderedDocument
from agencyportal.demo.replay import Story
from agencyportal.demo.trace import Trace
from clients.models import UsageEvent


def story_lines(story: Story, trace: Trace) -> Iterator[str]:
    """The story as label and figure, one a line, ending with where its documents lie."""
    yield f"\nReplayed {len(trace.calls):,} calls as {story.workspace.slug}"
    for label, value in _figures(story):
        yield f"  {label:<24} {value}"


def _figures(story: Story) -> Iterator[tuple[str, str]]:
    events = UsageEvent.objects.filter(workspace=story.workspace)
    sums = events.aggregate(
        stored=Count("pk"), taken=Sum("input_tokens"), made=Sum("output_tokens"), cost=Sum("cost")
    )
    priced = events.exclude(cost=None).values_list("model", "price_source", "cost_currency")
    model, price_source, cost_currency = priced.first() or ("", "", "")
    yield "Period", f"{story.period.start:%Y-%m-%d %H:%M} to {story.period.end:%Y-%m-%d %H:%M} UTC"
    yield "Events stored", f"{sums['stored']:,}"
    yield "Input tokens", f"{sums['taken']:,}"
    yield "Output tokens", f"{sums['made']:,}"
    yield "Routed cost", f"{sums['cost']} {cost_currency} ({model}, {price_source})"
    for usage in story.period.usage.select_related("unit"):
        yield (
            usage.unit.plural.capitalize(),
            (
                f"{plain(usage.used)} used, {plain(usage.included)} of the allowance, "
                f"{plain(usage.overage)} beyond it"
            ),
        )
    for invoice in story.invoices:
        yield (
            f"Invoice {invoice.number}",
            (
                f"{format_money(invoice.total, invoice.currency)}, {invoice.state}, "
                f"{_file(invoice.document)}"
            ),
        )
    payout = story.payout
    if payout is None:
        yield "Payout", "waits for the next month: this one's was made up before the replay"
        return
    yield (
        f"Payout {payout.number}",
        f"{format_money(payout.amount, payout.currency)}, {payout.state}, {_file(payout.document)}",
    )


def _file(document: RenderedDocument) -> str:
    if document.state != RenderedDocument.State.RENDERED:
        return f"PDF {document.state}: {document.error or 'not yet made'}"
    return storages["documents"].path(document.path)
