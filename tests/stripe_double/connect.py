"""Connected accounts, the links on which they are set up, transfers to them and back."""

from __future__ import annotations

from typing import Any

from .book import Book
from .payments import Payments
from .wire import invalid, whole


class Connect:
    def __init__(self, book: Book, payments: Payments, base: str) -> None:
        self.book, self.payments, self.base = book, payments, base

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        return self.book.add(
            "account",
            type=params.get("type", "express"),
            country=params.get("country", "US"),
            email=params.get("email"),
            default_currency="usd",
            business_profile={"name": None, "url": None},
            business_type=params.get("business_type"),
            charges_enabled=False,
            payouts_enabled=False,
            details_submitted=False,
            capabilities={"transfers": "inactive"},
            requirements={
                "currently_due": ["external_account", "tos_acceptance.date"],
                "past_due": [],
                "disabled_reason": "requirements.past_due",
            },
            metadata=dict(params.get("metadata") or {}),
        )

    def link(self, params: dict[str, Any]) -> dict[str, Any]:
        account = self.book.get("account", params["account"])
        now = self.book.now()
        return {
            "object": "account_link",
            "created": now,
            "expires_at": now + 300,
            "url": f"{self.base}/connect/{account['id']}",
        }

    def onboard(self, account: dict[str, Any]) -> dict[str, Any]:
        """Somebody at the account has given Stripe all that it asks for."""
        account |= {
            "charges_enabled": True,
            "payouts_enabled": True,
            "details_submitted": True,
            "capabilities": {"transfers": "active"},
            "requirements": {"currently_due": [], "past_due": [], "disabled_reason": None},
        }
        self.book.tell("account.updated", account, account=account["id"])
        return account

    def disable(self, account: dict[str, Any], reason: str) -> dict[str, Any]:
        account |= {
            "payouts_enabled": False,
            "capabilities": {"transfers": "inactive"},
            "requirements": {"currently_due": [], "past_due": [], "disabled_reason": reason},
        }
        self.book.tell("account.updated", account, account=account["id"])
        return account

    def transfer(self, params: dict[str, Any]) -> dict[str, Any]:
        account = self.book.get("account", params["destination"])
        if account["capabilities"].get("transfers") != "active":
            raise invalid(
                "Your destination account needs to have at least one of the following "
                "capabilities enabled: transfers.",
                "destination",
                "insufficient_capabilities_for_transfer",
            )
        amount = whole(params, "amount")
        transfer = self.book.add(
            "transfer",
            amount=amount,
            amount_reversed=0,
            currency=params["currency"],
            destination=account["id"],
            description=params.get("description"),
            reversed=False,
            transfer_group=params.get("transfer_group"),
            source_transaction=params.get("source_transaction"),
            balance_transaction=None,
            metadata=dict(params.get("metadata") or {}),
        )
        transfer["balance_transaction"] = self.payments.move(transfer, -amount)["id"]
        self.book.tell("transfer.created", transfer)
        return transfer

    def reverse(self, transfer: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        left = transfer["amount"] - transfer["amount_reversed"]
        amount = whole(params, "amount") if params.get("amount") else left
        if not 0 < amount <= left:
            raise invalid("Transfer reversal amount is greater than what is left.", "amount")
        reversal = self.book.add(
            "transfer_reversal",
            amount=amount,
            currency=transfer["currency"],
            transfer=transfer["id"],
            balance_transaction=None,
            metadata=dict(params.get("metadata") or {}),
        )
        reversal["balance_transaction"] = self.payments.move(reversal, amount)["id"]
        transfer["amount_reversed"] += amount
        transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
        self.book.tell("transfer.reversed", transfer)
        return reversal
