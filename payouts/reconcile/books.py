"""Everything that is proved, in the order in which one thing rests on another."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from billing.services.plans import Terms
from clients.models import Workspace

from .adjustments import check_adjustments
from .alert_messages import check_alert_messages
from .alerts import check_alerts
from .automatic import check_automatic
from .caps import check_caps
from .cash import check_cash
from .charges import check_charges
from .client_balances import check_client_balances
from .credit_notes import check_credit_notes
from .documents import check_documents
from .dunning import check_dunning, check_online_payments
from .earnings import check_earnings
from .events import Rules
from .findings import Difference, Finding
from .invoices import check_invoices
from .late_usage import check_late_usage
from .lifecycle import check_lifecycles
from .numbers import check_numbers
from .orders import check_orders
from .payouts import check_payouts
from .periods import WorkspaceBooks, check_periods
from .questions import check_questions
from .reservations import check_reservations
from .reserves import check_reserves
from .scope import Scope
from .transfers import check_transfers
from .triggers import check_triggers
from .usage import Quarters, check_usage
from .waterfall import check_waterfalls
from .webhooks import check_webhooks
from .words import as_far_as_known, check_words


def reconcile(
    scope: Scope, *, progress: Callable[[str], None] = lambda _what: None
) -> Iterator[Finding]:
    """Prove the books of a scope. Reads only; memory does not grow with their size.

    Call it where the database stands still (`scope.standing_still`). ``progress`` is told what
    comes next.
    """
    progress("words")
    unknown = False
    for finding in check_words(scope):
        unknown = unknown or isinstance(finding, Difference)
        yield finding
    for what, findings in _parts(scope):
        progress(what)
        yield from as_far_as_known(what, findings, unknown=unknown)


def _parts(scope: Scope) -> Iterator[tuple[str, Iterator[Finding]]]:
    terms: dict[int, Terms] = {}
    workspaces = scope.of(Workspace.objects.select_related("client")).order_by("slug")
    for workspace in workspaces:
        yield workspace.slug, _check_workspace(workspace, terms)
    yield from (
        ("caps", check_caps(scope)),
        ("invoices", check_invoices(scope)),
        ("top-up orders", check_orders(scope)),
        ("invoices paid online", check_online_payments(scope)),
        ("dunning", check_dunning(scope)),
        ("automatic top-ups", check_automatic(scope)),
        ("credit notes", check_credit_notes(scope)),
        ("client balances", check_client_balances(scope)),
        ("numbers", check_numbers()),
        ("earnings", check_earnings(scope)),
        ("adjustments", check_adjustments(scope)),
        ("reserves", check_reserves(scope)),
        ("payouts", check_payouts(scope)),
        ("states of payouts", check_lifecycles(scope)),
        ("transfers", check_transfers(scope)),
        ("cash", check_cash(scope)),
        ("files", check_documents(scope)),
        ("alerts", check_alerts(scope)),
        ("alert messages", check_alert_messages(scope)),
        ("webhooks", check_webhooks(scope)),
        ("triggers", check_triggers()),
    )


def _check_workspace(workspace: Workspace, terms: dict[int, Terms]) -> Iterator[Finding]:
    quarters: Quarters = {}
    yield from check_usage(workspace, Rules.load(workspace), quarters)
    yield from check_reservations(workspace)
    books = WorkspaceBooks.load(workspace, terms)
    yield from check_periods(books)
    yield from check_waterfalls(books, quarters)
    yield from check_questions(books)
    yield from check_late_usage(books)
    yield from check_charges(books)
