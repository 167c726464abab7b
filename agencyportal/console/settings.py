"""What Unfold is told, as its ``UNFOLD`` setting. What depends on who asks is in `site`."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Agency Portal",
    "SITE_HEADER": "Agency Portal",
    "SITE_URL": None,
    "SITE_SYMBOL": "stacks",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "COLORS": {"primary": {}},
    "STYLES": [lambda _request: static("console/console.css")],
    "SCRIPTS": [lambda _request: static("console/console.js")],
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda _request: static("portal/icon.svg"),
        }
    ],
    "ACCOUNT": {
        "navigation": [
            {
                "title": "Change password",
                "link": lambda _request: reverse("account_change_password"),
            }
        ]
    },
    "COMMAND": {
        # What people look for by name. Events have a search of their own, by id and run.
        "search_models": [
            "clients.client",
            "clients.workspace",
            "clients.agency",
            "billing.invoice",
            "billing.payment",
            "billing.plan",
            "payouts.payout",
        ]
    },
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": "agencyportal.console.navigation.sidebar",
    },
}
