"""Checkout sessions, and saving a card without paying."""

from __future__ import annotations

from typing import Any

from .book import Book
from .cards import DEBITS, WAYS
from .payments import Payments
from .wire import ApiError, invalid

HALF_AN_HOUR, A_DAY = 1_800, 86_400


class Sessions:
    """Hosted pages: opened by the portal, finished by people."""

    def __init__(self, book: Book, payments: Payments, base: str) -> None:
        self.book, self.payments, self.base = book, payments, base

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        if customer := params.get("customer"):
            self.book.get("customer", customer)
        mode = params.get("mode", "payment")
        expires = int(params.get("expires_at") or self.book.now() + A_DAY)
        if not HALF_AN_HOUR - 60 <= expires - self.book.now() <= A_DAY + 60:
            raise invalid(
                "The `expires_at` timestamp must be between 30 minutes and 24 hours from now.",
                "expires_at",
            )
        lines = params.get("line_items") or []
        if mode == "payment" and not lines:
            raise invalid("You must provide line_items.", "line_items")
        total = sum(
            int(line["price_data"]["unit_amount"]) * int(line.get("quantity", 1)) for line in lines
        )
        session = self.book.add(
            "checkout.session",
            mode=mode,
            status="open",
            payment_status="unpaid" if mode == "payment" else "no_payment_required",
            amount_subtotal=total if mode == "payment" else None,
            amount_total=total if mode == "payment" else None,
            currency=lines[0]["price_data"]["currency"] if lines else params.get("currency"),
            customer=customer,
            customer_details=None,
            client_reference_id=params.get("client_reference_id"),
            payment_intent=None,
            setup_intent=None,
            success_url=params.get("success_url"),
            cancel_url=params.get("cancel_url"),
            expires_at=expires,
            locale=params.get("locale"),
            metadata=dict(params.get("metadata") or {}),
            payment_method_types=_offered(lines, params),
            _lines=lines,
            _intent=params.get(
                "payment_intent_data" if mode == "payment" else "setup_intent_data", {}
            ),
        )
        session["url"] = f"{self.base}/pay/{session['id']}"
        return session

    def pay(self, session: dict[str, Any], way: str) -> dict[str, Any]:
        """Somebody pays, or saves a card. Raises ApiError for a decline: they may try again."""
        if session["status"] != "open":
            raise invalid(f"This session is {session['status']}.")
        if session["mode"] == "setup":
            return self._save_card(session, way)
        if way == "debit":
            way = DEBITS.get(session["currency"], way)
        if WAYS[way].get("type", "card") not in session["payment_method_types"]:
            raise invalid(f"This session does not offer {way}.")
        intent = self._intent(session)
        method = self.payments.new_method(way)
        confirmed = self.payments.confirm(
            intent, {"payment_method": method["id"], "return_url": session["success_url"]}
        )
        if confirmed["status"] != "requires_action" or WAYS[way]["does"] == "verifies":
            self.complete(session)
        return session

    def complete(self, session: dict[str, Any]) -> None:
        """The page is done: paid, or on its way where the method takes days."""
        intent = self.book.get("payment_intent", session["payment_intent"])
        session["status"] = "complete"
        session["payment_status"] = "paid" if intent["status"] == "succeeded" else "unpaid"
        session["url"] = None
        self.book.tell("checkout.session.completed", session)

    def expire(self, session: dict[str, Any]) -> dict[str, Any]:
        if session["status"] != "open":
            raise invalid(
                'Only Checkout Sessions with a status in ["open"] can be expired. '
                f"This Checkout Session has a status of {session['status']}.",
            )
        session |= {"status": "expired", "url": None}
        if session["payment_intent"]:
            intent = self.book.get("payment_intent", session["payment_intent"])
            if intent["status"] != "canceled":
                self.payments.cancel(intent)
        self.book.tell("checkout.session.expired", session)
        return session

    def of_intent(self, intent_id: str) -> dict[str, Any] | None:
        return next(iter(self.book.all("checkout.session", payment_intent=intent_id)), None)

    def settled(self, intent: dict[str, Any], *, paid: bool) -> None:
        """A pending payment came, or did not."""
        session = self.of_intent(intent["id"])
        if session is None:
            return
        if paid:
            session["payment_status"] = "paid"
            self.book.tell("checkout.session.async_payment_succeeded", session)
        else:
            self.book.tell("checkout.session.async_payment_failed", session)

    def _intent(self, session: dict[str, Any]) -> dict[str, Any]:
        if session["payment_intent"] is None:
            intent = self.payments.create(
                {
                    **session["_intent"],
                    "amount": session["amount_total"],
                    "currency": session["currency"],
                    "customer": session["customer"],
                }
            )
            session["payment_intent"] = intent["id"]
        return self.book.get("payment_intent", session["payment_intent"])

    def _save_card(self, session: dict[str, Any], way: str) -> dict[str, Any]:
        if WAYS[way]["does"] == "declines":
            raise ApiError(402, "card_error", "Your card was declined.", "card_declined")
        method = self.payments.new_method(way)
        method["_authenticated"] = True
        self.payments.attach(method, session["customer"])
        setup = self.book.add(
            "setup_intent",
            customer=session["customer"],
            payment_method=method["id"],
            status="succeeded",
            usage="off_session",
            payment_method_types=["card"],
            last_setup_error=None,
            next_action=None,
            metadata=dict(session["_intent"].get("metadata") or {}),
        )
        session |= {"status": "complete", "setup_intent": setup["id"], "url": None}
        self.book.tell("setup_intent.succeeded", setup)
        self.book.tell("checkout.session.completed", session)
        return session


def _offered(lines: list[Any], params: dict[str, Any]) -> list[str]:
    """What a page offers: what it was told to, else what the account has for the currency."""
    if params.get("payment_method_types"):
        return list(params["payment_method_types"])
    currency = lines[0]["price_data"]["currency"] if lines else ""
    debit = DEBITS.get(currency)
    return ["card", *([WAYS[debit]["type"]] if debit else [])]
