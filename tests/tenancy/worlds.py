"""Two agencies with a row of every kind, each marked, so that no row of one can hide in a page
of the other.

A world is told by the services: clients on a package with usage, closed periods, invoices, a draft,
payments, payouts. Then every text of every row gets its agency's mark, and its client's mark where
it is one client's. Whatever page a mark turns up on shows a row.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType

from billing.discounts import DiscountDocument
from billing.dunning import DEFAULT
from billing.models import (
    Alert,
    AlertCrossing,
    AlertRule,
    DunningEntry,
    Invoice,
    InvoiceCheckout,
    InvoiceDocument,
    MarginRule,
    OverageAnswer,
    OverageQuestion,
    Payment,
    StripeCustomer,
    StripeEvent,
    Suspension,
    TaxExemption,
    TaxRate,
    TopUpBand,
    TopUpOrder,
    WebhookAttempt,
    WebhookDelivery,
)
from billing.services.alert_reading import mark_read
from billing.services.automatic_buying import look
from billing.services.automatic_consent import switch_on
from billing.services.automatic_terms import Wanted, digest_of, terms_of
from billing.services.caps import set_cap
from billing.services.charge_consents import give_consent
from billing.services.closing import close_due_periods
from billing.services.discounts import add_discount
from billing.services.document_files import sha256
from billing.services.drafting import draft_invoices
from billing.services.dunning_schedules import set_schedule
from billing.services.grants import adjust
from billing.services.invoicing import issue_invoice
from billing.services.late_usage import settle_workspace
from billing.services.margins import add_margin_rule
from billing.services.payments import record_payment
from billing.services.plans import import_plan
from billing.services.purchases import buy_on_account
from billing.services.rendering import Files, render_due
from billing.services.requests import ask_for_top_up
from billing.services.reservations import LONGEST_TTL, reserve
from billing.services.revocations import revoke
from billing.services.subscriptions import activate, end, ensure_due_periods, keep
from billing.services.tax_exemptions import add_tax_exemption
from billing.services.upgrades import begin_upgrade
from billing.services.webhooks import rotate_secret, save_endpoint, send_test
from clients.models import (
    Agency,
    AgencyMember,
    Client,
    ClientMember,
    ModelPrice,
    UniqueSubject,
    UsageEvent,
    UsageUnit,
    UsageWindow,
    User,
    Workspace,
)
from clients.services.corrections import correct_event
from clients.services.keys import create_key
from clients.services.people import (
    add_client_member,
    add_member,
    create_agency,
    create_client,
    create_workspace,
)
from clients.services.price_again import price_again
from clients.services.recording import SubmittedEvent, TokenUsage, record_events
from clients.services.units import create_unit
from payouts.models import StatementDocument
from payouts.services.earnings import post_due_earnings
from payouts.services.payouts import build_payouts
from payouts.services.terms import add_fee_rule, set_payout_terms
from tests.billing.plan_samples import band, starter
from tests.tenancy.marks import mark_of
from tests.tenancy.money import move_money
from tests.tenancy.payouts import decide

ALWAYS = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
TOLD_FOR = dt.timedelta(days=70)
"""Long enough for a whole month, whatever today is."""
PAID_BEFORE = dt.timedelta(days=40)
"""Long enough ago to be in a finished month."""


@dataclass
class Deployment:
    """A client with everything that hangs on it, and who looks at it."""

    client: Client
    workspace: Workspace
    key: str
    admin: User
    viewer: User


@dataclass
class World:
    """An agency, its people and its clients."""

    agency: Agency
    people: dict[str, User]
    deployments: dict[str, Deployment] = field(default_factory=dict)

    mark: str = ""

    @property
    def first(self) -> Deployment:
        return next(iter(self.deployments.values()))


def tell(
    slug: str, *, roles: tuple[str, ...], clients: tuple[str, ...], zone: str, now: dt.datetime
) -> World:
    """Live an agency's last seventy days."""
    start = now - TOLD_FOR
    agency = create_agency(slug=slug, name=slug, timezone=zone, email=f"{slug}@agency.example")
    people = {role: _person(f"{role}@{slug}.example", is_staff=True) for role in roles}
    for role, user in people.items():
        add_member(agency=agency, user=user, role=role)
    world = World(agency, people, mark=mark_of(slug))
    unit = _terms(agency, people[roles[0]], start)
    version = import_plan(agency=agency, document=_package(zone), now=start)
    for name in clients:
        world.deployments[name] = _deploy(world, name, zone, now)
        activate(
            workspace=world.deployments[name].workspace,
            plan_version=version,
            start=start,
            now=start,
        )
    _bill(agency, start)
    for deployment in world.deployments.values():
        _use(deployment.workspace, start)
    for invoice in Invoice.objects.for_agency(agency):
        _pay(invoice, people[roles[0]], now)
    close_due_periods(now=now)
    ensure_due_periods(now=now)
    _bill(agency, now, but_last=True)
    post_due_earnings(now=now)
    build_payouts(now=now)
    render_due(model=StatementDocument, render=_file, now=now)
    decide(agency, people[roles[0]], now)
    for deployment in world.deployments.values():
        _live(deployment, unit, people[roles[0]], now)
        move_money(deployment.client, people[roles[0]], now, files=_files)
    _upgrade(world, people[roles[0]], now)
    return world


def _upgrade(world: World, owner: User, now: dt.datetime) -> None:
    """A dearer version of the package: one client refused to be moved to it, others may be."""
    zone = world.first.client.timezone
    dearer = _package(zone) | {"minimum_commitment": "5"}
    version = import_plan(agency=world.agency, document=dearer, now=now, created_by=owner)
    first = world.first.workspace.subscriptions.get()
    upgrade = begin_upgrade(
        version=version,
        when="period_end",
        now=now,
        key=f"upgrade:{world.agency.pk}",
        subscription_ids=[first.pk],
        made_by=owner,
        reason="Prices",
    )
    upgrade.items.update(state="refused", words="By hand")


def _person(email: str, **fields: Any) -> User:
    return User.objects.create_user(email, "demo-portal", name=email, **fields)


def _terms(agency: Agency, owner: User, start: dt.datetime) -> UsageUnit:
    """What the agency sells, and what it agreed on."""
    unit = create_unit(
        agency=agency,
        slug="conversation",
        name="conversation",
        plural="conversations",
        aggregation="count",
        effective_from=ALWAYS,
        created_by=owner,
    )
    TaxRate.objects.create(
        agency=agency,
        country="US",
        category="S",
        percent=Decimal("8.25"),
        effective_from=dt.date(2020, 1, 1),
    )
    ModelPrice.objects.create(
        agency=agency,
        cost_payer="agency",
        model="house-model",
        input_price=Decimal("1.5"),
        output_price=Decimal(6),
        effective_from=ALWAYS,
    )
    add_margin_rule(
        rule=MarginRule(agency=agency, name="Everything", percent=25, effective_from=start),
        now=start - dt.timedelta(days=1),
    )
    set_payout_terms(agency=agency, account_hint="DE** **** 1234", now=start)
    add_fee_rule(agency=agency, percent=Decimal(5), effective_from=ALWAYS, now=ALWAYS)
    return unit


def _package(zone: str) -> dict[str, Any]:
    bands = [band(), band("By hand", quantity="100", price="10", expires="never", buyer="agency")]
    discounts = [{"name": "Launch", "on": "overage", "percent": "10", "periods": 2}]
    return starter(timezone=zone, top_ups=bands, discounts=discounts)


def _deploy(world: World, name: str, zone: str, now: dt.datetime) -> Deployment:
    client = create_client(
        agency=world.agency,
        slug=name,
        name=name,
        currency="USD",
        timezone=zone,
        country="US",
        email=f"billing@{name}.example",
    )
    add_tax_exemption(
        exemption=TaxExemption(
            client=client,
            certificate=f"{name} 1",
            reason="Exempt.",
            effective_from=dt.date(2099, 1, 1),
        ),
        created_by=None,
    )
    workspace = create_workspace(client=client, slug=f"{name}-support", name=f"{name} support")
    admin = _person(f"admin@{name}.example")
    viewer = _person(f"viewer@{name}.example")
    add_client_member(client=client, user=admin, role=ClientMember.Role.ADMIN)
    add_client_member(client=client, user=viewer, role=ClientMember.Role.VIEWER)
    _, text = create_key(
        workspace=workspace,
        name="Program",
        scopes=[scope for scope, _ in workspace.keys.model.Scope.choices],
        now=now,
        created_by=world.people[AgencyMember.Role.OWNER],
    )
    return Deployment(client, workspace, text, admin, viewer)


def _bill(agency: Agency, now: dt.datetime, *, but_last: bool = False) -> None:
    """Draft and issue what is due; ``but_last`` leaves each client its last draft."""
    draft_invoices(now=now)
    mine = Invoice.objects.for_agency(agency).filter(state=Invoice.State.DRAFT)
    drafts = list(mine.order_by("client", "bill_at"))
    last = {invoice.client_id: invoice.pk for invoice in drafts} if but_last else {}
    for invoice in drafts:
        if invoice.pk not in last.values():
            issue_invoice(invoice=invoice, now=now)
    render_due(model=InvoiceDocument, render=_files, now=now)


def _files(document: Any) -> Files:
    """An e-invoice as well, as little of one as the PDF is."""
    content = _file(document)
    facts = {"xml_sha256": sha256(content), "xml_size": len(content)}
    return Files(content, beside={document.xml_path: content}, facts=facts)


def _file(document: Any) -> bytes:
    """Not a PDF, but as good for finding out who gets it: it names its agency."""
    owners = ("invoice", "credit_note", "payout")
    row = next(getattr(document, name) for name in owners if hasattr(document, name))
    return f"%PDF {mark_of(row.agency.slug)}".encode()


def _use(workspace: Workspace, start: dt.datetime) -> None:
    event = SubmittedEvent(
        id="first",
        unit="conversation",
        quantity=Decimal(1200),
        time=start + dt.timedelta(hours=5),
        subject="somebody",
        label="triage",
        run_id="run",
        provider="openai",
        model="gpt-4o",
        properties={"who": mark_of(workspace.client.slug)},
    )
    record_events(workspace=workspace, events=[event], now=start + dt.timedelta(hours=6))


def _pay(invoice: Invoice, who: User, now: dt.datetime) -> None:
    at = now - PAID_BEFORE
    record_payment(
        invoice=invoice,
        amount=invoice.amount_due,
        currency=invoice.currency,
        method=Payment.Method.BANK_TRANSFER,
        reference="Wire",
        received_at=at,
        now=at,
        key=f"paid:{invoice.pk}",
        recorded_by=who,
    )


def _live(deployment: Deployment, unit: UsageUnit, owner: User, now: dt.datetime) -> None:
    """What is going on at a client right now."""
    workspace = deployment.workspace
    _hesitate(workspace, owner, now)
    event = SubmittedEvent(id="now", unit="conversation", quantity=Decimal(900), label="triage")
    record_events(workspace=workspace, events=[event], now=now)
    again = SubmittedEvent(
        id="now",
        unit="conversation",
        label="again",
        properties={"who": mark_of(workspace.client.slug)},
    )
    record_events(workspace=workspace, events=[again], now=now)
    bands = {row.name: row for row in TopUpBand.objects.for_agency(workspace.agency_id)}
    sorry = adjust(
        workspace=workspace,
        unit=unit,
        quantity=Decimal(5),
        reason="Sorry",
        created_by=owner,
        now=now,
        key=f"sorry:{workspace.pk}",
    )
    revoke(
        grant=sorry,
        quantity=Decimal(1),
        reason="Too many",
        revoked_by=owner,
        now=now,
        key="too many",
    )
    buy_on_account(
        workspace=workspace,
        band=bands["Growth 500"],
        now=now,
        key="one",
        purchased_by=deployment.admin,
    )
    for name in bands:
        ask_for_top_up(
            workspace=workspace,
            band=bands[name],
            requested_by=deployment.viewer,
            now=now,
            note="Please",
        )
    add_discount(
        subscription=workspace.subscriptions.get(),
        discount=DiscountDocument("Loyal", "fees", percent=Decimal(5)),
        effective_at=now,
        now=now,
        key="loyal",
        created_by=owner,
    )
    for scope in ({"client": deployment.client}, {"workspace": workspace}):
        set_cap(
            agency=workspace.agency,
            kind="spend",
            limit=Decimal(10_000),
            now=now,
            set_by=owner,
            **scope,
        )
    for key in ("held", "held too"):
        reserve(
            workspace=workspace, unit=unit, quantity=Decimal(3), now=now, ttl=LONGEST_TTL, key=key
        )
    _ask(deployment, unit, now)
    _late(workspace, unit, owner, now)
    _alert(deployment, unit, owner, now)
    _webhook(deployment, owner, now)
    _stripe(deployment, now)
    _automate(deployment, bands["Growth 500"], now)
    window = UsageWindow.objects.filter(workspace=workspace).order_by("start")[0]
    UniqueSubject.objects.create(
        window=window,
        subject="somebody",
        event=UsageEvent.objects.filter(workspace=workspace).order_by("pk")[0],
        occurred_at=now,
    )
    LogEntry.objects.create(
        user=owner,
        content_type=ContentType.objects.get_for_model(Client),
        object_id=str(deployment.client.pk),
        object_repr=mark_of(deployment.client.slug),
        action_flag=CHANGE,
        change_message=mark_of(deployment.client.slug),
    )


def _hesitate(workspace: Workspace, owner: User, now: dt.datetime) -> None:
    """They leave with the running period, and stay after all."""
    subscription = workspace.subscriptions.get(end=None)
    leaves = workspace.periods.get(start__lte=now, end__gt=now).end
    end(subscription=subscription, end=leaves, now=now, ended_by=owner, reason="They leave")
    keep(subscription=subscription, now=now, kept_by=owner, reason="They stay")


def _ask(deployment: Deployment, unit: UsageUnit, now: dt.datetime) -> None:
    """Their admins were asked whether usage goes on: before, and now."""
    workspace = deployment.workspace
    for period in workspace.periods.filter(start__lte=now).order_by("start"):
        question = OverageQuestion.objects.create(
            agency=workspace.agency,
            client=deployment.client,
            workspace=workspace,
            period=period,
            unit=unit,
            up_to=Decimal(20),
            asked_at=period.start,
            answer_by=period.end,
        )
        if period.end <= now:
            OverageAnswer.objects.create(
                question=question,
                verdict="approved",
                answered_at=period.start,
                answered_by=deployment.admin,
                reason="Please",
            )


def _webhook(deployment: Deployment, owner: User, now: dt.datetime) -> None:
    endpoint = save_endpoint(
        agency=deployment.workspace.agency,
        client=deployment.client,
        url=f"https://hooks.example.com/{deployment.client.slug}",
        description=deployment.client.slug,
        types=["alert.crossed"],
        now=now,
        by=owner,
    )
    rotate_secret(endpoint=endpoint, now=now, by=owner)
    delivery = send_test(endpoint=endpoint, key=deployment.client.slug, now=now)
    WebhookAttempt.objects.create(
        delivery=delivery, number=1, at=now, status=200, excerpt=deployment.client.slug
    )
    WebhookDelivery.objects.filter(pk=delivery.pk).update(state="delivered", attempts=1)


def _stripe(deployment: Deployment, now: dt.datetime) -> None:
    """It has paid by Stripe, which told of it."""
    client = deployment.client
    StripeCustomer.objects.create(
        agency=client.agency,
        client=client,
        is_live=False,
        customer_id=f"cus_{client.slug}",
        told_at=now,
        card_last4="4242",
    )
    band = TopUpBand.objects.for_agency(client.agency).order_by("pk")[0]
    TopUpOrder.objects.create(
        agency=client.agency,
        client=client,
        workspace=deployment.workspace,
        band=band,
        quantity=band.quantity,
        net=band.price,
        tax=0,
        gross=band.price,
        currency=client.currency,
        method=TopUpOrder.Method.PAGE,
        key="left",
        is_live=False,
        state=TopUpOrder.State.EXPIRED,
        ordered_at=now,
        look_at=now,
    )
    invoice = client.invoices.exclude(number=None).order_by("pk")[0]
    InvoiceCheckout.objects.create(
        agency=client.agency,
        client=client,
        invoice=invoice,
        amount=invoice.total,
        currency=invoice.currency,
        is_live=False,
        state=InvoiceCheckout.State.EXPIRED,
        opened_at=now,
        look_at=now,
    )
    _dun(deployment, invoice, now)
    StripeEvent.objects.create(
        event_id=f"evt_{client.slug}",
        type="customer.created",
        object_id=f"cus_{client.slug}",
        is_live=False,
        body={"data": {"object": {}}},
        occurred_at=now,
        received_at=now,
        not_before=now,
        state=StripeEvent.State.DONE,
    )


def _dun(deployment: Deployment, invoice: Invoice, now: dt.datetime) -> None:
    """It once consented to charges, was reminded, and was suspended for a while."""
    client = deployment.client
    decider = client.members.get(role="admin").user
    give_consent(client=client, words="Charge it", given_by=decider, now=now)
    DunningEntry(invoice=invoice, kind="reminder", day=3, said="Reminded", done_at=now).save()
    Suspension.objects.create(
        agency=client.agency, client=client, invoice=invoice, began_at=now, lifted_at=now
    )
    set_schedule(
        agency=client.agency, schedule=DEFAULT, set_by=None, now=now, key=f"of {client.slug}"
    )


def _automate(deployment: Deployment, band: TopUpBand, now: dt.datetime) -> None:
    """Top-ups are bought automatically, and one just was."""
    workspace = deployment.workspace
    Client.objects.filter(pk=deployment.client.pk).update(automatic_on_account=True)
    workspace.client.automatic_on_account = True
    wanted = Wanted(band, Decimal(10_000), 2, Decimal(1000), "account")
    shown = digest_of(terms_of(workspace=workspace, wanted=wanted, now=now))
    automatic = switch_on(
        workspace=workspace, wanted=wanted, shown=shown, given_by=deployment.admin, now=now
    )
    look(automatic_id=automatic.pk, now=now)


def _late(workspace: Workspace, unit: UsageUnit, owner: User, now: dt.datetime) -> None:
    """Usage of a closed period that came late, and was corrected."""
    closed = workspace.periods.filter(state="closed").order_by("start")[0]
    adjust(
        workspace=workspace,
        unit=unit,
        quantity=Decimal(3),
        reason="From the start",
        created_by=owner,
        now=now,
        key=f"from the start:{workspace.pk}",
        effective_at=closed.start,
    )
    event = SubmittedEvent(
        id="late",
        unit="conversation",
        quantity=Decimal(7),
        time=closed.start + dt.timedelta(days=1),
    )
    unpriced = SubmittedEvent(
        id="unpriced",
        unit="conversation",
        quantity=Decimal(0),
        time=closed.start + dt.timedelta(days=1),
        model="new-model",
        usage=TokenUsage(input_tokens=1000, output_tokens=1000),
    )
    record_events(workspace=workspace, events=[event, unpriced], now=now)
    ModelPrice.objects.get_or_create(
        agency=workspace.agency,
        cost_payer=workspace.cost_payer,
        model="new-model",
        effective_from=ALWAYS,
        defaults={"input_price": Decimal(2), "output_price": Decimal(2)},
    )
    price_again(workspaces=[workspace], now=now, created_by=owner)
    correct_event(
        workspace=workspace,
        event_id="late",
        quantity=Decimal(5),
        reason=mark_of(workspace.client.slug),
        key="late",
        now=now,
        created_by=owner,
    )
    settle_workspace(workspace_id=workspace.pk, now=now)


def _alert(deployment: Deployment, unit: UsageUnit, owner: User, now: dt.datetime) -> None:
    workspace = deployment.workspace
    rule = AlertRule.objects.create(
        agency=workspace.agency,
        client=deployment.client,
        workspace=workspace,
        unit=unit,
        levels=["80"],
        created_by=owner,
    )
    period = workspace.periods.get(start__lte=now, end__gt=now)
    alert = Alert.objects.create(
        agency=workspace.agency,
        workspace=workspace,
        unit=unit,
        period=period,
        rule=rule,
        used=900,
        entitled=1000,
        measured=900,
        against=1000,
        arming=0,
        mail=workspace.client.mail.order_by("pk")[0],
        noticed_at=now,
    )
    AlertCrossing.objects.create(
        alert=alert, rule=rule, period=period, unit=unit, level=80, arming=0
    )
    mark_read(user=owner, up_to=alert, client=None, now=now)
    mark_read(user=deployment.admin, up_to=alert, client=deployment.client, now=now)
