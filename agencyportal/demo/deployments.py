"""The demo's clients, and what runs for them."""

from __future__ import annotations

from agencyportal.demo.roles import DemoClient, DemoWorkspace, Person
from clients.models import CostPayer

ACME = DemoClient(
    slug="acme",
    currency="USD",
    timezone="America/New_York",
    address={
        "name": "Acme",
        "legal_name": "Acme Corporation",
        "address_line1": "7 Harrison Street",
        "postal_code": "10013",
        "city": "New York",
        "region": "NY",
        "country": "US",
        "email": "billing@acme.example",
    },
    people=(
        Person("admin@acme.example", "Ana Flores", "admin"),
        Person("viewer@acme.example", "Victor Stone", "viewer"),
    ),
    workspaces=(
        DemoWorkspace("acme-support", "Support chat", "support-starter"),
        DemoWorkspace("acme-docs", "Document workflow", "document-desk"),
    ),
)

BIRCH = DemoClient(
    slug="birch",
    currency="USD",
    timezone="America/Chicago",
    address={
        "name": "Birch",
        "legal_name": "Birch Realty Inc.",
        "address_line1": "400 W Madison Street",
        "postal_code": "60606",
        "city": "Chicago",
        "region": "IL",
        "country": "US",
        "email": "accounts@birch.example",
    },
    people=(Person("admin@birch.example", "Bela Novak", "admin"),),
    workspaces=(DemoWorkspace("birch-leads", "Lead qualification", "lead-agent"),),
)

ELM = DemoClient(
    slug="elm",
    currency="USD",
    timezone="America/Denver",
    address={
        "name": "Elm Advisors",
        "legal_name": "Elm Advisors LLC",
        "address_line1": "1550 Larimer Street",
        "postal_code": "80202",
        "city": "Denver",
        "region": "CO",
        "country": "US",
        "email": "finance@elm.example",
    },
    workspaces=(
        DemoWorkspace("elm-north", "Elm Assistant, northern offices", "white-label"),
        DemoWorkspace("elm-south", "Elm Assistant, southern offices", "white-label"),
    ),
)
"""A white-label deployment: one workspace for each group of Elm's own customers."""

FERN = DemoClient(
    slug="fern",
    currency="USD",
    timezone="America/Los_Angeles",
    address={
        "name": "Fern Outdoor",
        "legal_name": "Fern Outdoor Co.",
        "address_line1": "2200 Mission Street",
        "postal_code": "94110",
        "city": "San Francisco",
        "region": "CA",
        "country": "US",
        "email": "ap@fern.example",
    },
    workspaces=(DemoWorkspace("fern-support", "Shop assistant", "support-starter"),),
)

JUNIPER = DemoClient(
    slug="juniper",
    currency="USD",
    timezone="America/New_York",
    address={
        "name": "Juniper Legal",
        "legal_name": "Juniper Legal LLP",
        "address_line1": "60 State Street",
        "postal_code": "02109",
        "city": "Boston",
        "region": "MA",
        "country": "US",
        "email": "office@juniper.example",
    },
    workspaces=(DemoWorkspace("juniper-contracts", "Contract desk", "contract-desk"),),
)

MAPLE = DemoClient(
    slug="maple",
    currency="USD",
    timezone="America/Chicago",
    address={
        "name": "Maple Dental",
        "legal_name": "Maple Dental Group PC",
        "address_line1": "90 S Seventh Street",
        "postal_code": "55402",
        "city": "Minneapolis",
        "region": "MN",
        "country": "US",
        "email": "billing@maple.example",
    },
    workspaces=(DemoWorkspace("maple-frontdesk", "Front desk chat", "support-lite"),),
)

CEDAR = DemoClient(
    slug="cedar",
    currency="EUR",
    timezone="Europe/Berlin",
    address={
        "name": "Cedar",
        "legal_name": "Cedar Möbel GmbH",
        "address_line1": "Torstraße 140",
        "postal_code": "10119",
        "city": "Berlin",
        "country": "DE",
        "tax_id": "DE111111117",
        "email": "rechnung@cedar.example",
    },
    people=(Person("admin@cedar.example", "Clara Vogt", "admin"),),
    workspaces=(DemoWorkspace("cedar-support", "Kundenservice-Chat", "support-basis"),),
)

LINDEN = DemoClient(
    slug="linden",
    currency="EUR",
    timezone="Europe/Berlin",
    address={
        "name": "Linden",
        "legal_name": "Linden Logistik GmbH & Co. KG",
        "address_line1": "Hafenstraße 12",
        "postal_code": "28217",
        "city": "Bremen",
        "country": "DE",
        "tax_id": "DE222222115",
        "email": "buchhaltung@linden.example",
    },
    workspaces=(
        DemoWorkspace("linden-receipts", "Belegerfassung", "beleg-basis", CostPayer.AGENCY),
    ),
)
"""Its agency brings its own account with the models' provider."""

NORTHWIND_CLIENTS = (ACME, BIRCH, ELM, FERN, JUNIPER, MAPLE)
HARBOR_CLIENTS = (CEDAR, LINDEN)
