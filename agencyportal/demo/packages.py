"""The demo's packages, as the scenario documents an agency would import."""

from __future__ import annotations

from typing import Any

SUPPORT_STARTER: dict[str, Any] = {
    "name": "Support Starter",
    "currency": "USD",
    "interval": "month",
    "anchor": "calendar",
    "fees": [
        {
            "name": "Implementation",
            "kind": "implementation",
            "amount": "2500.00",
            "when": "once",
        },
        {"name": "Base package", "kind": "base", "amount": "499.00", "when": "period"},
        {"name": "Support", "kind": "support", "amount": "150.00", "when": "period"},
    ],
    "allowances": [
        {
            "unit": "conversation",
            "included": "1000",
            "overage": {
                "policy": "bill",
                "pricing": {"model": "per_unit", "unit_amount": "0.10"},
            },
        }
    ],
    "top_ups": [
        {
            "unit": "conversation",
            "name": "Growth 500",
            "quantity": "500",
            "price": "60.00",
            "expires": "period_end",
        },
        {
            "unit": "conversation",
            "name": "Volume 5,000",
            "quantity": "5000",
            "price": "450.00",
            "expires": "P90D",
        },
    ],
}

DOCUMENT_DESK: dict[str, Any] = {
    "name": "Document Desk",
    "currency": "USD",
    "interval": "month",
    "anchor": "calendar",
    "fees": [{"name": "Base package", "kind": "base", "amount": "320.00", "when": "period"}],
    "allowances": [
        {
            "unit": "page",
            "included": "3000",
            "rollover_max": "500",
            "overage": {
                "policy": "bill",
                "pricing": {
                    "model": "graduated",
                    "tiers": [
                        {"up_to": "2000", "unit_amount": "0.08"},
                        {"up_to": None, "unit_amount": "0.06"},
                    ],
                },
            },
        }
    ],
    "top_ups": [
        {
            "unit": "page",
            "name": "1,000 pages",
            "quantity": "1000",
            "price": "70.00",
            "expires": "never",
        }
    ],
}

LEAD_AGENT: dict[str, Any] = {
    "name": "Lead Agent",
    "currency": "USD",
    "interval": "month",
    "anchor": "calendar",
    "fees": [{"name": "Base package", "kind": "base", "amount": "790.00", "when": "period"}],
    "allowances": [
        {
            "unit": "qualified-lead",
            "included": "150",
            "overage": {
                "policy": "bill",
                "pricing": {"model": "package", "package_size": "25", "package_amount": "110.00"},
            },
        }
    ],
    "top_ups": [
        {
            "unit": "qualified-lead",
            "name": "50 leads",
            "quantity": "50",
            "price": "200.00",
            "expires": "P90D",
        }
    ],
}

SUPPORT_BASIS: dict[str, Any] = {
    "name": "Support Basis",
    "currency": "EUR",
    "interval": "month",
    "anchor": "calendar",
    "fees": [{"name": "Grundpaket", "kind": "base", "amount": "390.00", "when": "period"}],
    "allowances": [
        {"unit": "conversation", "included": "2000", "overage": {"policy": "block"}},
    ],
    "top_ups": [
        {
            "unit": "conversation",
            "name": "Paket 500",
            "quantity": "500",
            "price": "55.00",
            "expires": "period_end",
        }
    ],
}

SUPPORT_LITE: dict[str, Any] = {
    "name": "Support Lite",
    "currency": "USD",
    "interval": "month",
    "anchor": "calendar",
    "fees": [{"name": "Base package", "kind": "base", "amount": "260.00", "when": "period"}],
    "allowances": [
        {
            "unit": "conversation",
            "included": "400",
            "overage": {
                "policy": "bill",
                "pricing": {"model": "per_unit", "unit_amount": "0.45"},
            },
        }
    ],
    "top_ups": [
        {
            "unit": "conversation",
            "name": "Extra 200",
            "quantity": "200",
            "price": "70.00",
            "expires": "period_end",
        }
    ],
}

SUPPORT_GROWTH: dict[str, Any] = {
    "name": "Support Growth",
    "currency": "USD",
    "interval": "month",
    "anchor": "calendar",
    "fees": [{"name": "Base package", "kind": "base", "amount": "330.00", "when": "period"}],
    "allowances": [
        {
            "unit": "conversation",
            "included": "800",
            "overage": {
                "policy": "bill",
                "pricing": {"model": "per_unit", "unit_amount": "0.38"},
            },
        }
    ],
    "top_ups": [
        {
            "unit": "conversation",
            "name": "Extra 400",
            "quantity": "400",
            "price": "120.00",
            "expires": "period_end",
        }
    ],
}

CONTRACT_DESK: dict[str, Any] = {
    "name": "Contract Desk",
    "currency": "USD",
    "interval": "month",
    "anchor": "calendar",
    "fees": [{"name": "Base package", "kind": "base", "amount": "210.00", "when": "period"}],
    "allowances": [
        {
            "unit": "page",
            "included": "1500",
            "overage": {
                "policy": "bill",
                "pricing": {"model": "per_unit", "unit_amount": "0.14"},
            },
        }
    ],
    "top_ups": [
        {
            "unit": "page",
            "name": "500 pages",
            "quantity": "500",
            "price": "65.00",
            "expires": "P90D",
        }
    ],
}

WHITE_LABEL: dict[str, Any] = {
    "name": "White-label Assistant",
    "currency": "USD",
    "interval": "month",
    "anchor": "calendar",
    "fees": [
        {
            "name": "Branding and launch",
            "kind": "implementation",
            "amount": "900.00",
            "when": "once",
        },
        {"name": "Base package", "kind": "base", "amount": "280.00", "when": "period"},
    ],
    "allowances": [
        {
            "unit": "action-bundle",
            "included": "500",
            "rollover_max": "100",
            "overage": {
                "policy": "bill",
                "pricing": {
                    "model": "cost_plus",
                    "margin_percent": "150",
                    "surcharge_per_unit": "0.20",
                },
            },
        }
    ],
    "top_ups": [
        {
            "unit": "action-bundle",
            "name": "250 action bundles",
            "quantity": "250",
            "price": "110.00",
            "expires": "P90D",
        }
    ],
}

BELEG_BASIS: dict[str, Any] = {
    "name": "Beleg Basis",
    "currency": "EUR",
    "interval": "month",
    "anchor": "calendar",
    "fees": [
        {"name": "Grundpaket", "kind": "base", "amount": "180.00", "when": "period"},
        {"name": "Betreuung", "kind": "support", "amount": "60.00", "when": "period"},
    ],
    "allowances": [{"unit": "page", "included": "1200", "overage": {"policy": "notify"}}],
    "top_ups": [
        {
            "unit": "page",
            "name": "Paket 500 Seiten",
            "quantity": "500",
            "price": "45.00",
            "expires": "period_end",
        }
    ],
}

CODE_PILOT: dict[str, Any] = {
    "name": "Code Assist Pilot",
    "currency": "USD",
    "interval": "month",
    "anchor": "calendar",
    "fees": [
        {
            "name": "Pilot set-up",
            "kind": "implementation",
            "amount": "1200.00",
            "when": "once",
        },
        {"name": "Base package", "kind": "base", "amount": "299.00", "when": "period"},
    ],
    "allowances": [
        {
            "unit": "completion",
            "included": "5000",
            "overage": {
                "policy": "bill",
                "pricing": {"model": "per_unit", "unit_amount": "0.02"},
            },
        }
    ],
    "top_ups": [
        {
            "unit": "completion",
            "name": "2,500 completions",
            "quantity": "2500",
            "price": "40.00",
            "expires": "period_end",
        }
    ],
}

PACKAGES: dict[str, dict[str, dict[str, Any]]] = {
    "northwind": {
        "support-starter": SUPPORT_STARTER,
        "document-desk": DOCUMENT_DESK,
        "lead-agent": LEAD_AGENT,
        "code-assist-pilot": CODE_PILOT,
        "contract-desk": CONTRACT_DESK,
        "support-growth": SUPPORT_GROWTH,
        "support-lite": SUPPORT_LITE,
        "white-label": WHITE_LABEL,
    },
    "harbor": {"beleg-basis": BELEG_BASIS, "support-basis": SUPPORT_BASIS},
}
"""By agency and plan slug."""
