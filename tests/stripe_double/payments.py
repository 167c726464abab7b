"""Intents: charging them, what comes of it, and refunds and disputes of what was charged."""

from __future__ import annotations

from typing import Any

from .book import Book
from .cards import DECLINES, TOKENS, WAYS, method_shape
from .wire import ApiError, invalid, whole


class Payments:
    """What happens to money. Every change writes its events."""

    def __init__(self, book: Book, base: str) -> None:
        self.book = book
        self.base = base

    # -- payment methods ------------------------------------------------------------------------

    def method(self, name: str) -> dict[str, Any]:
        """A payment method by id, or one made from a name of Stripe's test mode."""
        if name in TOKENS:
            return self.new_method(TOKENS[name])
        return self.book.get("payment_method", name)

    def new_method(self, way: str) -> dict[str, Any]:
        return self.book.add("payment_method", **method_shape(way))

    def attach(self, method: dict[str, Any], customer: str) -> dict[str, Any]:
        self.book.get("customer", customer)
        if method["customer"] != customer:
            method["customer"] = customer
            self.book.tell("payment_method.attached", method)
        return method

    # -- intents --------------------------------------------------------------------------------

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        if customer := params.get("customer"):
            self.book.get("customer", customer)
        amount = whole(params, "amount")
        if amount < 1:
            raise invalid("This value must be greater than or equal to 1.", "amount")
        intent = self.book.add(
            "payment_intent",
            amount=amount,
            amount_received=0,
            currency=params["currency"],
            customer=customer,
            payment_method=None,
            latest_charge=None,
            status="requires_payment_method",
            description=params.get("description"),
            metadata=dict(params.get("metadata") or {}),
            setup_future_usage=params.get("setup_future_usage"),
            payment_method_types=params.get("payment_method_types") or ["card"],
            capture_method="automatic",
            confirmation_method="automatic",
            last_payment_error=None,
            next_action=None,
            canceled_at=None,
            cancellation_reason=None,
            client_secret="secret",
        )
        intent["client_secret"] = f"{intent['id']}_secret_double"
        self.book.tell("payment_intent.created", intent)
        if params.get("payment_method"):
            intent["payment_method"] = self.method(params["payment_method"])["id"]
            intent["status"] = "requires_confirmation"
        if params.get("confirm") == "true":
            self.confirm(intent, params)
        return intent

    def confirm(self, intent: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        """Charge it. Raises ApiError 402 for a decline, as Stripe answers."""
        if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
            raise invalid(
                f"This PaymentIntent's status is {intent['status']}.",
                code="payment_intent_unexpected_state",
            )
        if params.get("payment_method"):
            intent["payment_method"] = self.method(params["payment_method"])["id"]
        if intent["payment_method"] is None:
            raise invalid("You cannot confirm this PaymentIntent without a payment method.")
        method = self.book.get("payment_method", intent["payment_method"])
        off_session = params.get("off_session") == "true"
        facts = WAYS[method["_way"]]
        does = facts["does"]
        if off_session and method["customer"] is None:
            raise invalid("The provided PaymentMethod cannot be used off session.")
        if does == "declines" or (does == "fails later" and off_session):
            raise self._decline(intent, method, facts.get("because", "generic_decline"))
        if does == "asks" and off_session:
            if method["_way"] == "3ds always" or not method.get("_authenticated"):
                raise self._must_authenticate(intent, method)
        elif does == "asks":
            return self._ask(intent, params.get("return_url", ""))
        if does == "verifies":
            return self._verify(intent)
        if does == "waits":
            return self._wait(intent)
        return self.succeed(intent)

    def _ask(self, intent: dict[str, Any], return_url: str) -> dict[str, Any]:
        intent["status"] = "requires_action"
        intent["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {
                "url": f"{self.base}/authenticate/{intent['id']}",
                "return_url": return_url,
            },
        }
        self.book.tell("payment_intent.requires_action", intent)
        return intent

    def _verify(self, intent: dict[str, Any]) -> dict[str, Any]:
        intent["status"] = "requires_action"
        intent["next_action"] = {
            "type": "verify_with_microdeposits",
            "verify_with_microdeposits": {
                "arrival_date": self.book.now() + 2 * 86_400,
                "hosted_verification_url": f"{self.base}/verify/{intent['id']}",
                "microdeposit_type": "amounts",
            },
        }
        self.book.tell("payment_intent.requires_action", intent)
        return intent

    def verified(self, intent: dict[str, Any]) -> dict[str, Any]:
        """The small amounts were named: it is collected now."""
        intent["next_action"] = None
        return self._wait(intent)

    def return_debit(self, intent: dict[str, Any], reason: str) -> dict[str, Any]:
        """A debit that was paid goes back: a dispute that is lost from the start."""
        dispute = self.dispute(intent, None, reason)
        return self.close_dispute(dispute, "lost")

    def _wait(self, intent: dict[str, Any]) -> dict[str, Any]:
        intent["status"] = "processing"
        self._charge(intent, "pending")
        self.book.tell("payment_intent.processing", intent)
        return intent

    def succeed(self, intent: dict[str, Any]) -> dict[str, Any]:
        method = self.book.get("payment_method", intent["payment_method"])
        intent |= {
            "status": "succeeded",
            "amount_received": intent["amount"],
            "next_action": None,
            "last_payment_error": None,
        }
        if intent["setup_future_usage"] and intent["customer"]:
            self.attach(method, intent["customer"])
        charge = self._charge(intent, "succeeded")
        self.book.tell("charge.succeeded", charge)
        self.book.tell("payment_intent.succeeded", intent)
        return intent

    def fail(self, intent: dict[str, Any], code: str, message: str) -> dict[str, Any]:
        """A payment that was pending does not come, or its holder was not recognised."""
        intent |= {
            "status": "requires_payment_method",
            "next_action": None,
            "last_payment_error": {
                "type": "invalid_request_error",
                "code": code,
                "message": message,
                "payment_method": self._shown_method(intent),
            },
            "payment_method": None,
        }
        if intent["latest_charge"]:
            charge = self.book.get("charge", intent["latest_charge"])
            charge |= {"status": "failed", "paid": False, "failure_code": code}
            self.book.tell("charge.failed", charge)
        self.book.tell("payment_intent.payment_failed", intent)
        return intent

    def cancel(self, intent: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        if intent["status"] in ("succeeded", "canceled", "processing"):
            raise invalid(
                f"You cannot cancel this PaymentIntent because it has a status of "
                f"{intent['status']}.",
                code="payment_intent_unexpected_state",
            )
        intent |= {
            "status": "canceled",
            "canceled_at": self.book.now(),
            "cancellation_reason": reason,
        }
        self.book.tell("payment_intent.canceled", intent)
        return intent

    def _decline(self, intent: dict[str, Any], method: dict[str, Any], why: str) -> ApiError:
        code, message = DECLINES[why]
        return self._refuse(intent, method, code, message, why)

    def _must_authenticate(self, intent: dict[str, Any], method: dict[str, Any]) -> ApiError:
        message = "Your card was declined. This transaction requires authentication."
        return self._refuse(
            intent, method, "authentication_required", message, "authentication_required"
        )

    def _refuse(
        self, intent: dict[str, Any], method: dict[str, Any], code: str, message: str, why: str
    ) -> ApiError:
        charge = self._charge(intent, "failed")
        charge |= {"failure_code": code, "failure_message": message, "paid": False}
        shown = {name: value for name, value in method.items() if not name.startswith("_")}
        error = {
            "type": "card_error",
            "code": code,
            "decline_code": why,
            "message": message,
            "charge": charge["id"],
            "payment_method": shown,
        }
        intent |= {
            "status": "requires_payment_method",
            "payment_method": None,
            "last_payment_error": error,
        }
        self.book.tell("charge.failed", charge)
        self.book.tell("payment_intent.payment_failed", intent)
        more = {k: v for k, v in error.items() if k not in ("type", "code", "message")}
        return ApiError(402, "card_error", message, code, more | {"payment_intent": dict(intent)})

    def _shown_method(self, intent: dict[str, Any]) -> dict[str, Any] | None:
        if intent["payment_method"] is None:
            return None
        method = self.book.get("payment_method", intent["payment_method"])
        return {name: value for name, value in method.items() if not name.startswith("_")}

    # -- charges --------------------------------------------------------------------------------

    def _charge(self, intent: dict[str, Any], status: str) -> dict[str, Any]:
        known = intent["latest_charge"]
        charge = self.book.rows.get(known) if known else None
        if charge is None or charge["status"] == "failed":
            method = self._shown_method(intent) or {"type": "card", "card": {}}
            charge = self.book.add(
                "charge",
                amount=intent["amount"],
                amount_refunded=0,
                currency=intent["currency"],
                customer=intent["customer"],
                payment_intent=intent["id"],
                payment_method=intent["payment_method"],
                payment_method_details={
                    "type": method["type"],
                    method["type"]: method[method["type"]],
                },
                description=intent["description"],
                refunded=False,
                disputed=False,
                failure_code=None,
                failure_message=None,
                balance_transaction=None,
                receipt_url=None,
                metadata=dict(intent["metadata"]),
            )
            intent["latest_charge"] = charge["id"]
        charge |= {"status": status, "paid": status == "succeeded", "captured": status != "failed"}
        if status == "succeeded":
            fee = charge["amount"] * 29 // 1000 + 30
            charge["balance_transaction"] = self.move(charge, charge["amount"], fee)["id"]
        return charge

    def move(self, source: dict[str, Any], amount: int, fee: int = 0) -> dict[str, Any]:
        """Write down that the platform's balance changed."""
        return self.book.add(
            "balance_transaction",
            amount=amount,
            fee=fee,
            net=amount - fee,
            currency=source["currency"],
            source=source["id"],
            type=source["object"],
            status="pending",
            fee_details=[],
            exchange_rate=None,
            reporting_category=source["object"],
        )

    # -- refunds --------------------------------------------------------------------------------

    def refund(self, params: dict[str, Any], *, status: str = "succeeded") -> dict[str, Any]:
        charge = self._charge_to_refund(params)
        left = charge["amount"] - charge["amount_refunded"]
        amount = whole(params, "amount") if params.get("amount") else left
        if charge["refunded"]:
            raise invalid(
                f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
            )
        if amount > left:
            raise invalid(
                f"Refund amount (${amount / 100:.2f}) is greater than unrefunded amount on charge "
                f"(${left / 100:.2f})",
                "amount",
            )
        refund = self.book.add(
            "refund",
            amount=amount,
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=charge["payment_intent"],
            reason=params.get("reason"),
            status=status,
            failure_reason=None,
            failure_balance_transaction=None,
            balance_transaction=None,
            metadata=dict(params.get("metadata") or {}),
        )
        refund["balance_transaction"] = self.move(refund, -amount)["id"]
        self._refunded(charge, amount)
        self.book.tell("refund.created", refund)
        self.book.tell("charge.refunded", charge)
        return refund

    def finish_refund(self, refund: dict[str, Any], status: str) -> dict[str, Any]:
        refund["status"] = status
        if status in ("failed", "canceled"):
            refund["failure_reason"] = "expired_or_canceled_card" if status == "failed" else None
            refund["failure_balance_transaction"] = self.move(refund, refund["amount"])["id"]
            self._refunded(self.book.get("charge", refund["charge"]), -refund["amount"])
        self.book.tell("refund.updated", refund)
        if status == "failed":
            self.book.tell("refund.failed", refund)
        return refund

    def _charge_to_refund(self, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("payment_intent"):
            intent = self.book.get("payment_intent", params["payment_intent"])
            if intent["status"] != "succeeded":
                raise invalid("This PaymentIntent does not have a successful charge to refund.")
            return self.book.get("charge", intent["latest_charge"])
        return self.book.get("charge", params["charge"])

    def _refunded(self, charge: dict[str, Any], amount: int) -> None:
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]

    # -- disputes -------------------------------------------------------------------------------

    def dispute(self, intent: dict[str, Any], amount: int | None, reason: str) -> dict[str, Any]:
        charge = self.book.get("charge", intent["latest_charge"])
        charge["disputed"] = True
        dispute = self.book.add(
            "dispute",
            amount=amount or charge["amount"],
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=intent["id"],
            reason=reason,
            status="needs_response",
            is_charge_refundable=False,
            balance_transactions=[],
            evidence={},
            evidence_details={"due_by": self.book.now() + 7 * 86_400, "has_evidence": False},
        )
        self._move_dispute(dispute, -dispute["amount"], 1500)
        self.book.tell("charge.dispute.created", dispute)
        self.book.tell("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def close_dispute(self, dispute: dict[str, Any], outcome: str) -> dict[str, Any]:
        dispute["status"] = outcome
        if outcome == "won":
            self._move_dispute(dispute, dispute["amount"], 0)
            self.book.tell("charge.dispute.funds_reinstated", dispute)
        self.book.tell("charge.dispute.closed", dispute)
        return dispute

    def _move_dispute(self, dispute: dict[str, Any], amount: int, fee: int) -> None:
        moved = self.move(dispute, amount, fee)
        dispute["balance_transactions"].append(moved)
