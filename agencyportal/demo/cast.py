"""Who is in the demo. Names are fixed: tours and checks start from them."""

from __future__ import annotations

from agencyportal.demo.deployments import HARBOR_CLIENTS, NORTHWIND_CLIENTS
from agencyportal.demo.roles import DemoAgency, DemoUnit, Person

PLATFORM = {
    "name": "Agency Portal",
    "legal_name": "Agency Portal Inc.",
    "address_line1": "548 Market Street",
    "postal_code": "94104",
    "city": "San Francisco",
    "region": "CA",
    "country": "US",
    "tax_id": "US-EIN 00-0000000",
    "email": "billing@portal.example",
    "payment_details": "Bank: Bank of Example\nAccount: 000123456789\nRouting number: 110000000",
}

OPERATOR = Person("operator@example.com", "Olivia Park", "operator")

NORTHWIND = DemoAgency(
    slug="northwind",
    timezone="America/New_York",
    address={
        "name": "Northwind",
        "legal_name": "Northwind Automation LLC",
        "address_line1": "20 Pine Street, Floor 11",
        "postal_code": "10005",
        "city": "New York",
        "region": "NY",
        "country": "US",
        "email": "hello@northwind.example",
    },
    fields={"brand_color": "#0f5c6e", "payment_terms_days": 30},
    fee_percent="5",
    people=(
        Person("owner@northwind.example", "Nora Whitfield", "owner"),
        Person("manager@northwind.example", "Marcus Lee", "manager"),
        Person("finance@northwind.example", "Farah Aziz", "finance"),
    ),
    units=(
        DemoUnit("conversation", "conversation", "conversations", "conversation"),
        DemoUnit("page", "page", "pages", "page"),
        DemoUnit("qualified-lead", "qualified lead", "qualified leads", "qualified-lead"),
        DemoUnit("completion", "completion", "completions", "prompt"),
        DemoUnit("action-bundle", "action bundle", "action bundles", "white-label-action-bundle"),
    ),
    clients=NORTHWIND_CLIENTS,
)

HARBOR = DemoAgency(
    slug="harbor",
    timezone="Europe/Berlin",
    address={
        "name": "Harbor",
        "legal_name": "Harbor KI GmbH",
        "address_line1": "Am Sandtorkai 30",
        "postal_code": "20457",
        "city": "Hamburg",
        "country": "DE",
        "tax_id": "DE100000008",
        "email": "hallo@harbor.example",
    },
    fields={"brand_color": "#7a3b12"},
    fee_percent="6",
    people=(Person("owner@harbor.example", "Hannes Brandt", "owner"),),
    units=(
        DemoUnit("conversation", "conversation", "conversations", "conversation"),
        DemoUnit("page", "page", "pages", "page"),
    ),
    clients=HARBOR_CLIENTS,
    taxes=(("DE", "S", "19"),),
)

AGENCIES = (NORTHWIND, HARBOR)

RATES = (("USD", "EUR", ("0.862", "0.858", "0.865", "0.861")),)
"""(base, quote, rate in each month of the story)."""

DRIFT = {
    "name": "Drift Labs",
    "legal_name": "Drift Labs, Inc.",
    "address_line1": "85 2nd Street",
    "postal_code": "94105",
    "city": "San Francisco",
    "region": "CA",
    "country": "US",
    "email": "accounts@drift.example",
}
"""The client whose pilot a replayed trace is."""
