"""The pages that people see: to pay on, to prove who they are, and to set up an account."""

from __future__ import annotations

from html import escape
from typing import Any

CHOICES = (
    ("card", "Pay with card 4242"),
    ("declined", "Pay with a card that is declined"),
    ("3ds", "Pay with a card that asks for 3-D Secure"),
    ("debit", "Pay by bank debit"),
)


def _page(title: str, body: str) -> bytes:
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        f"<title>{escape(title)}</title><main><h1>{escape(title)}</h1>{body}</main>"
    ).encode()


def pay_page(session: dict[str, Any], problem: str = "") -> bytes:
    lines = "".join(
        f"<li>{escape(line['price_data']['product_data']['name'])}: "
        f"{int(line['price_data']['unit_amount'])} {escape(line['price_data']['currency'])}</li>"
        for line in session["_lines"]
    )
    alert = f"<p role=alert>{escape(problem)}</p>" if problem else ""
    saving = session["mode"] == "setup"
    buttons = "".join(
        f"<button name=way value='{way}'>{words.replace('Pay with', 'Save') if saving else words}"
        "</button>"
        for way, words in CHOICES
    )
    return _page(
        "Save a card" if saving else f"Pay {session['amount_total']} {session['currency']}",
        f"{alert}<ul>{lines}</ul><form method=post>{buttons}"
        "<button name=way value=cancel>Go back</button></form>",
    )


def authenticate_page(intent: dict[str, Any]) -> bytes:
    return _page(
        "Is it you?",
        f"<p>{intent['amount']} {escape(intent['currency'])}</p><form method=post>"
        "<button name=outcome value=complete>Complete</button>"
        "<button name=outcome value=fail>Fail</button></form>",
    )


def onboarding_page(account: dict[str, Any]) -> bytes:
    return _page(
        "Set up payouts", f"<p>{account['id']}</p><form method=post><button>Agree</button></form>"
    )
