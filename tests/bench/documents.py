"""Documents: a page beside bare WeasyPrint, a long invoice, and a month's by two processes."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Final

from agencyportal.core import pdf
from billing.documents.invoice import render_invoice, render_invoice_html
from billing.models import InvoiceDocument
from billing.services.closing import close_due_periods
from billing.services.invoicing import draft_due_invoices, issue_due_invoices
from tests.bench import closing
from tests.bench.clones import clone_workspaces
from tests.bench.figures import Figure, Stopwatch, timed
from tests.billing.invoice_samples import long_invoice, yen_invoice

INVOICES: Final = 1_000
PROCESSES: Final = 2
LINES: Final = 500
PAGES_MEASURED: Final = 40


def run(scale: float) -> list[Figure]:
    count = max(PROCESSES, round(INVOICES * scale))
    ours, bare = _one_page()
    long = _each(lambda: render_invoice(long_invoice(LINES)), 1)
    made, whole = _a_months(count)
    return [
        Figure("one page, processor time", ours.cpu, "ms", bare.cpu, "1.5 x bare WeasyPrint"),
        Figure("one page, by the clock", ours.wall, "ms", bare.wall, "1.5 x bare WeasyPrint"),
        Figure(f"{LINES} lines, processor time", long.cpu / 1000, "s"),
        Figure(f"{LINES} lines, by the clock", long.wall / 1000, "s", target="5 s"),
        Figure(f"{made:,} invoices, {PROCESSES} processes", whole.wall, "s", target="120 s"),
        Figure("of it processor time of both", whole.cpu, "s"),
        Figure("each invoice, processor time", 1000 * whole.cpu / made, "ms"),
    ]


def _one_page() -> tuple[Stopwatch, Stopwatch]:
    """From the snapshot to the stored form, and WeasyPrint alone on the HTML of the same: with
    our style sheet and fonts read beforehand, without PDF/A and anything attached. In ms."""
    invoice = yen_invoice()
    html = render_invoice_html(invoice)
    render_invoice(invoice)
    bare = _bare_weasyprint()
    bare(html)
    # By turns, so that what else the machine does meets both.
    ours, floor = Stopwatch(), Stopwatch()
    for _ in range(PAGES_MEASURED):
        ours.add(_each(lambda: render_invoice(invoice), 1))
        floor.add(_each(lambda: bare(html), 1))
    for watch in (ours, floor):
        watch.wall /= PAGES_MEASURED
        watch.cpu /= PAGES_MEASURED
    return ours, floor


def _bare_weasyprint() -> Callable[[str], Any]:
    import weasyprint
    from weasyprint.text.fonts import FontConfiguration

    fonts = FontConfiguration()
    faces = "".join(
        f'@font-face {{ font-family: "Portal Inter"; font-weight: {weight}; '
        f'src: url("{path.as_uri()}"); }}\n'
        for path, weight in zip(pdf.FONT_FILES, (400, 600), strict=True)
    )
    css = weasyprint.CSS(
        string=faces + pdf.STYLE_SHEET.read_text("utf-8"),
        base_url=pdf.STYLE_SHEET.as_uri(),
        font_config=fonts,
    )

    def render(html: str) -> Any:
        return weasyprint.HTML(string=html).write_pdf(stylesheets=[css], font_config=fonts)

    return render


def _each(render: Callable[[], Any], times: int) -> Stopwatch:
    with timed() as watch:
        for _ in range(times):
            render()
    return Stopwatch(1000 * watch.wall / times, 1000 * watch.cpu / times)


def _a_months(count: int) -> tuple[int, Stopwatch]:
    """A month of so many subscriptions, issued; then their files by two processes, from start to
    end: each imports the portal and WeasyPrint before it claims its first."""
    clone_workspaces(closing.a_month_of_usage(), count - 1)
    close_due_periods(now=closing.DUE)
    draft_due_invoices(now=closing.DUE)
    issue_due_invoices(now=closing.DUE)
    waiting = InvoiceDocument.objects.exclude(state=InvoiceDocument.State.RENDERED).count()
    command = [sys.executable, "-m", "tests.bench.rendering", closing.DUE.isoformat()]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with timed() as watch:
        workers = [subprocess.Popen(command, stdout=sys.stderr) for _ in range(PROCESSES)]
        codes = [worker.wait() for worker in workers]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)  # of those that ended
    watch.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    made = InvoiceDocument.objects.rendered().count()
    if any(codes) or made < waiting:
        raise RuntimeError(f"{made} of {waiting} invoices were rendered; processes ended {codes}.")
    return made, watch
