"""Every line that usage stands behind opens from its invoice, in the admin and in the portal."""

from __future__ import annotations

import datetime as dt

import pytest
from django.urls import reverse

from billing.models import CreditGrant, Invoice, LateSettlement, PeriodUsage
from billing.services.closing import close_due_periods
from billing.services.invoicing import draft_invoices, issue_due_invoices
from billing.services.purchases import buy_on_account
from tests.billing.plan_samples import NEW_YORK_2026, starter
from tests.billing.story import periods_of, subscribe
from tests.billing.test_late_usage import report

pytestmark = pytest.mark.django_db

JANUARY, FEBRUARY, MARCH = (NEW_YORK_2026[month] for month in (1, 2, 3))
DAY = dt.timedelta(days=1)


@pytest.fixture
def invoices(acme_support, conversation, platform) -> tuple[Invoice, Invoice]:
    """January's: a top-up, overage, and what lacked to the minimum. February's: late usage."""
    subscription = subscribe(acme_support, starter(minimum_commitment="500"), JANUARY)
    band = subscription.plan_version.top_ups.get()
    buy_on_account(workspace=acme_support, band=band, now=JANUARY + DAY, key="a")
    report(acme_support, "in time", JANUARY + 2 * DAY, 1600)
    for now in (JANUARY, FEBRUARY + 2 * DAY):
        close_due_periods(now=now)
        draft_invoices(now=now)
        issue_due_invoices(now=now)
    report(acme_support, "late", JANUARY + 3 * DAY, 5000, now=FEBRUARY + 3 * DAY)
    later = MARCH + 2 * DAY
    close_due_periods(now=later)
    draft_invoices(now=later)
    issue_due_invoices(now=later)
    return (
        Invoice.objects.filter(lines__kind="minimum").order_by("issued_at")[0],
        Invoice.objects.get(lines__kind="late_usage"),
    )


def test_in_the_admin(client, teammate, acme_support, invoices):
    client.force_login(teammate)
    used = PeriodUsage.objects.get(period=periods_of(acme_support)[0])
    grant = CreditGrant.objects.get(kind="top_up")
    late = LateSettlement.objects.get()

    first, second = (
        client.get(reverse("admin:billing_invoice_change", args=(row.pk,))).content.decode()
        for row in invoices
    )

    assert reverse("admin:billing_periodusage_explain", args=(used.pk,)) in first
    assert reverse("admin:billing_creditgrant_explain", args=(grant.pk,)) in first
    assert reverse("admin:billing_billingperiod_change", args=(used.period_id,)) in first
    assert reverse("admin:billing_latesettlement_change", args=(late.pk,)) in second


def test_in_the_portal(client, client_admin, acme_support, invoices):
    client.force_login(client_admin)
    period, unit = periods_of(acme_support)[0], PeriodUsage.objects.all()[0].unit
    explained = reverse("portal:explained", args=(acme_support.client_id, period.pk, unit.pk))

    for row in invoices:
        page = reverse("portal:invoice", args=(acme_support.client_id, row.pk))
        assert explained in client.get(page).content.decode()


def test_a_minimum_alone_opens_into_the_units_of_its_period(
    client, client_admin, acme_support, conversation, platform
):
    subscribe(acme_support, starter(minimum_commitment="500"), JANUARY)
    report(acme_support, "in time", JANUARY + 2 * DAY, 10)
    now = FEBRUARY + 2 * DAY
    close_due_periods(now=now)
    draft_invoices(now=now)
    issue_due_invoices(now=now)
    client.force_login(client_admin)
    row = Invoice.objects.get(lines__kind="minimum")

    page = client.get(reverse("portal:invoice", args=(acme_support.client_id, row.pk)))

    period = periods_of(acme_support)[0]
    url = reverse("portal:explained", args=(acme_support.client_id, period.pk, conversation.pk))
    assert url in page.content.decode()
