"""The package and the alerts in plain words."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from agencyportal.portal.alerts import rules_in_words
from agencyportal.portal.discounts import discount_row
from agencyportal.portal.terms import TermsInWords
from agencyportal.portal.visits import Visit, writing_for
from agencyportal.portal.writing import Writing
from billing.discounts import DiscountDocument
from billing.models import AlertRule, PlanAllowance, PlanDiscount, PlanVersion, TopUpBand
from billing.services.discounts import add_discount, end_discount
from clients.models import Meter, UsageUnit, User, Workspace
from tests.billing.plan_samples import allowance, starter
from tests.billing.story import subscribe

from .conftest import MARCH, NOON
from .pages import text_of

UNIT = UsageUnit(name="conversation", plural="conversations")


@pytest.fixture
def words() -> TermsInWords:
    writing = Writing(locale="en_US", currency="USD", timezone="America/New_York", now=NOON)
    return TermsInWords(writing=writing, currency="USD", agency="Northwind")


def beyond(pricing: dict[str, object], cap: Decimal | None = None) -> PlanAllowance:
    return PlanAllowance(
        policy="bill", pricing=pricing, policy_options={}, cap_amount=cap, included=Decimal(1000)
    )


@pytest.mark.parametrize(
    ("pricing", "said"),
    [
        (
            {"model": "per_unit", "unit_amount": "0.125"},
            "$0.125 for each further conversation",
        ),
        (
            {
                "model": "graduated",
                "tiers": [
                    {"up_to": "2000", "unit_amount": "0.08"},
                    {"up_to": "5000", "unit_amount": "0.07", "flat_amount": "5"},
                    {"up_to": None, "unit_amount": "0.06"},
                ],
            },
            (
                "$0.08 each for the first 2,000 conversations, $0.07 each up to 5,000 plus $5.00 "
                "once, $0.06 for each one beyond"
            ),
        ),
        (
            {
                "model": "volume",
                "tiers": [
                    {"up_to": "2000", "unit_amount": "0.08"},
                    {"up_to": None, "unit_amount": "0.06"},
                ],
            },
            (
                "all at one price, by how many it comes to: $0.08 each for the first 2,000 "
                "conversations, $0.06 for each one beyond"
            ),
        ),
        (
            {"model": "package", "package_size": "25", "package_amount": "110"},
            "$110.00 for every 25 conversations begun",
        ),
        (
            {"model": "cost_plus", "margin_percent": "20", "surcharge_per_unit": "0.01"},
            "what the AI behind it costs plus 20% plus $0.01 for each conversation",
        ),
        ({"model": "cost_plus"}, "what the AI behind it costs, plus Northwind's margin"),
    ],
)
def test_prices_are_sentences(words, pricing, said):
    assert words.policy(beyond(pricing), UNIT) == (
        f"Once everything is used up, the service goes on: {said}."
    )


def test_a_cap_is_said(words):
    allowance = beyond({"model": "per_unit", "unit_amount": "0.1"}, Decimal(50))
    assert words.policy(allowance, UNIT).endswith("and never more than $50.00 in a period.")


def test_policies_are_sentences(words):
    def said(policy: str, **options: object) -> str:
        row = PlanAllowance(policy=policy, policy_options=options, included=Decimal(1))
        return words.policy(row, UNIT)

    assert "the service pauses until it resets or a top-up is bought" in said("block")
    assert "goes on at no extra charge, and Northwind is told" in said("notify")
    pricing = {"model": "per_unit", "unit_amount": "0.10"}
    row = PlanAllowance(
        policy="ask", policy_options={"up_to": "20"}, pricing=pricing, included=Decimal(1)
    )
    assert words.policy(row, UNIT) == (
        "Once everything is used up, you are asked whether it goes on: $0.10 for each further "
        "conversation. Until you answer, up to 20 more are let in at that price; without an "
        "answer the service pauses."
    )
    assert said(
        "top_up", top_up="Growth 500", at="50", max_count=2, max_amount="120", then="block"
    ).startswith(
        "Your package provides that Growth 500 is bought when 50 or fewer are left, at most "
        "2 times, for $120.00 at most in a period. Once everything is used up, the service pauses"
    )


@pytest.mark.parametrize(
    ("expires", "said"),
    [
        ("period_end", "until the end of the period you buy it in"),
        ("never", "as long as you need"),
        ("P90D", "for 90 days from when you buy it"),
        ("P1Y1D", "for 12 months, 1 day from when you buy it"),
        ("PT36H", "for 36 hours from when you buy it"),
    ],
)
def test_expiry_is_said(words, expires, said):
    assert words.expiry(TopUpBand(expires=expires)) == said


@pytest.mark.parametrize(
    ("interval", "anchor", "day", "said"),
    [
        ("month", "calendar", dt.date(2026, 1, 15), "On the first day of every month."),
        ("month", "start", dt.date(2026, 1, 15), "On day 15 of every month."),
        (
            "month",
            "start",
            dt.date(2026, 1, 31),
            "On day 31 of every month, or its last day where it is shorter.",
        ),
        (
            "quarter",
            "calendar",
            dt.date(2026, 1, 15),
            "On the first day of every calendar quarter.",
        ),
        ("quarter", "start", dt.date(2026, 1, 15), "Every three months, counted from Jan 15."),
        ("year", "calendar", dt.date(2026, 1, 15), "On the first day of every year."),
        ("year", "start", dt.date(2026, 2, 15), "Every year on Feb 15."),
    ],
)
def test_the_rhythm_is_said(words, interval, anchor, day, said):
    assert words.rhythm(PlanVersion(interval=interval, anchor=anchor), day) == said


@pytest.mark.parametrize(
    ("aggregation", "said"),
    [
        ("count", "Each conversation counts as one when it happens, whatever it takes inside."),
        ("unique", "Each conversation counts once in a period, however many steps"),
        ("sum", "Each job reports how many conversations it handled"),
    ],
)
def test_counting_is_said(words, aggregation, said):
    meter = Meter(
        aggregation=aggregation, weights=[{"when": [], "multiply": "2"}], filters=[{"field": "x"}]
    )
    text = " ".join(words.counting(UNIT, meter))
    assert text.startswith(said)
    assert "Some actions, such as unusually large ones, count as 2 conversations." in text
    assert "Actions that your package leaves out are not counted." in text


def test_the_package_page_says_what_was_agreed(story, admin):
    text = text_of(admin.get(story.url("package/")))
    assert "Acme support chat: Support Starter" in text
    assert "Version 1 · Since March 1, 2026" in text
    assert "1,000 conversations in each period. What you do not use ends with the period." in text
    assert "On the first day of every month. Next on April 1, 2026." in text
    assert "Days begin at midnight in New York." in text
    assert "Implementation $2,500.00 Once, at the start." in text
    assert "Base package $499.00 Every month, in advance." in text
    assert "Growth 500 500 conversations $60.00 $0.12" in text
    assert "Northwind, for you" in text


def test_a_year_with_monthly_allowances_is_said(acme_support, conversation, admin):
    off = {"name": "Launch", "on": "fees", "percent": "10", "periods": 1}
    plan = starter(
        interval="year",
        allowances=[allowance(interval="month", rollover_max="100")],
        discounts=[off],
    )
    subscribe(acme_support, plan, MARCH)

    text = text_of(admin.get(f"/portal/{acme_support.client_id}/package/"))

    assert "1,000 conversations in each month. Up to 100 conversations that you do not" in text
    assert "On the first day of every month. Next on April 1, 2026." in text
    assert "Base package $499.00 Every year, in advance; next on January 1, 2027." in text
    assert "Launch \u221210% off the fees of each year, in the first year." in text


@pytest.mark.parametrize(
    ("discount", "said"),
    [
        (
            {"on": "fees", "percent": Decimal("12.5"), "periods": 3},
            ("12.5%", "off the fees of each period, in the first 3 periods"),
        ),
        (
            {"on": "all", "amount": Decimal(50)},
            ("$50.00", "off the fees and usage beyond what is included, in each period"),
        ),
        (
            {"on": "overage", "percent": Decimal(5), "periods": 1},
            ("5%", "off usage beyond what is included, in the first period"),
        ),
        ({"on": "once", "percent": Decimal(100)}, ("100%", "off what is asked once")),
    ],
)
def test_discounts_are_said(words, discount, said):
    row = discount_row(PlanDiscount(name="Launch", **discount), words.writing, "USD")

    assert (row.off, row.words) == said


def test_a_discount_that_was_agreed_is_on_the_page_until_it_ends(story, admin):
    agreed = add_discount(
        subscription=story.workspace.subscriptions.get(),
        discount=DiscountDocument("Sorry", "fees", percent=Decimal(10)),
        effective_at=dt.datetime(2026, 4, 1, 4, tzinfo=dt.UTC),
        now=NOON,
        key="k",
    )
    page = story.url("package/")

    assert "Sorry \u221210% off the fees of each period, from April 1, 2026 on." in text_of(
        admin.get(page)
    )

    end_discount(discount=agreed, now=NOON)
    assert "Sorry" not in text_of(admin.get(page))


def test_without_a_package_the_page_says_so(acme, admin):
    text = text_of(admin.get(f"/portal/{acme.pk}/package/"))
    assert "No package is running now. Northwind sets one up for you." in text


def rules_of(client, *rules):
    """The sentences on the page of alerts under these rules of Northwind."""
    for said in rules:
        AlertRule.objects.create(agency=client.agency, **said)
    visit = Visit(
        user=User(),
        client=client,
        role="admin",
        has_other_clients=False,
        waiting_requests=0,
        writing=writing_for(client, NOON),
    )
    return rules_in_words(visit)


@pytest.fixture
def two_workspaces(story, acme, northwind):
    """Acme's support chat counts conversations, its documents count conversations and pages."""
    unit = UsageUnit.objects.create(agency=northwind, slug="page", name="page", plural="pages")
    Meter.objects.create(
        unit=unit, version=1, aggregation="count", effective_from=MARCH, created_at=MARCH
    )
    docs = Workspace.objects.create(agency=northwind, client=acme, slug="docs", name="Documents")
    allowances = [allowance(), allowance("page", included="10")]
    subscribe(docs, starter(name="Documents", allowances=allowances, top_ups=[]), MARCH)
    return story.workspace, docs, unit


def said(percents: str, scope: str) -> str:
    return (
        f"At {percents} of what {scope} can use in a period, top-ups counted: "
        "you (billing@acme.example) and Northwind."
    )


def test_rules_are_sentences(story, admin, northwind, harbor, birch):
    AlertRule.objects.create(agency=northwind, levels=["80", "100"])
    AlertRule.objects.create(agency=northwind, client=birch, levels=["11"])
    AlertRule.objects.create(agency=harbor, levels=["12"])
    AlertRule.objects.create(agency=northwind, levels=["13"], is_active=False)
    text = text_of(admin.get(story.url("alerts/")))
    assert said("80% and 100%", "each workspace") in text
    for hidden in ("11%", "12%", "13%"):
        assert hidden not in text


def test_only_the_rule_that_counts_is_said(two_workspaces, acme):
    """That of the workspace takes the place of the agency's there, and nowhere else."""
    support, _docs, _page = two_workspaces
    rules = rules_of(acme, {"levels": ["80"]}, {"levels": ["50"], "workspace": support})
    assert rules == [said("80%", "Documents"), said("50%", "Acme support chat")]


def test_the_latest_of_equal_rules_counts(two_workspaces, acme):
    assert rules_of(acme, {"levels": ["80"]}, {"levels": ["90"]}) == [said("90%", "each workspace")]


def test_a_clients_rule_comes_before_one_for_a_unit(two_workspaces, acme):
    *_workspaces, page = two_workspaces
    rules = rules_of(acme, {"levels": ["80"], "client": acme}, {"levels": ["50"], "unit": page})
    assert rules == [said("80%", "each workspace")]


def test_a_rule_for_a_unit_comes_before_one_for_all(two_workspaces, acme):
    *_workspaces, page = two_workspaces
    rules = rules_of(acme, {"levels": ["80"]}, {"levels": ["50"], "unit": page})
    assert rules == [
        said("80%", "each workspace (conversations)"),
        said("50%", "each workspace (pages)"),
    ]


def test_a_silent_rule_is_named(two_workspaces, acme):
    _support, docs, page = two_workspaces
    silent = {"levels": [], "workspace": docs, "unit": page}
    assert rules_of(acme, {"levels": ["80"]}, silent) == [
        said("80%", "each workspace (conversations)"),
        "About each workspace (pages) nobody is told.",
    ]


def test_a_unit_of_one_workspace_is_named_with_it(two_workspaces, conversation, acme):
    _support, docs, _page = two_workspaces
    one = {"levels": ["50"], "workspace": docs, "unit": conversation}
    assert rules_of(acme, {"levels": ["80"]}, one) == [
        said("80%", "Acme support chat and Documents (pages)"),
        said("50%", "Documents (conversations)"),
    ]


def test_the_default_is_said_before_the_first_check_makes_it(two_workspaces, acme):
    assert rules_of(acme) == [said("80% and 100%", "each workspace")]


def test_without_rules_and_alerts_the_page_says_so(story, admin, northwind):
    AlertRule.objects.create(agency=northwind, levels=["80"], is_active=False)
    text = text_of(admin.get(story.url("alerts/")))
    assert "No alert is set up." in text
    assert "None so far." in text
