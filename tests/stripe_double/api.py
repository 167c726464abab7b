"""The routes of the API that the portal calls, and what stands at each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from .book import ACCOUNT, Book
from .connect import Connect
from .payments import Payments
from .sessions import Sessions
from .wire import ApiError, invalid, listed

Params = dict[str, Any]
Row = dict[str, Any]


FILTERS = frozenset(
    {"customer", "payment_intent", "charge", "type", "status", "url", "transfer_group"}
)
"""By what lists can be asked for."""


class Api:
    """Answers calls. Those with a key that came before get the answer of then."""

    def __init__(self, base: str) -> None:
        self.book = Book()
        self.payments = Payments(self.book, base)
        self.sessions = Sessions(self.book, self.payments, base)
        self.connect = Connect(self.book, self.payments, base)
        self.answered: dict[str, tuple[str, int, bytes]] = {}
        self.calls: list[tuple[str, str, Params]] = []

    def answer(
        self, method: str, path: str, params: Params, key: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of an answer."""
        asked = json.dumps([method, path, params], sort_keys=True)
        if key and key in self.answered:
            before, status, body = self.answered[key]
            if before != asked:
                error = ApiError(
                    400,
                    "idempotency_error",
                    "Keys for idempotent requests can only be used with the same parameters they "
                    "were first used with.",
                )
                return 400, _bytes(error.body()), {}
            return status, body, {"Idempotent-Replayed": "true"}
        self.calls.append((method, path, params))
        try:
            status, body = 200, _bytes(self._route(method, path, params))
        except ApiError as error:
            status, body = error.status, _bytes(error.body())
        if key and status in (200, 402):
            self.answered[key] = (asked, status, body)
        return status, body, {}

    def _route(self, method: str, path: str, params: Params) -> Row:
        for wanted, pattern, handle in self._routes():
            found = re.fullmatch(pattern, path)
            if found and method == wanted:
                row = handle(params, *found.groups())
                return self._expanded(row, params.get("expand") or [])
        raise ApiError(
            404, "invalid_request_error", f"Unrecognized request URL ({method}: {path})."
        )

    def _routes(self) -> list[tuple[str, str, Callable[..., Row]]]:
        get, pay, sessions, connect = self.book.get, self.payments, self.sessions, self.connect
        one = r"/([A-Za-z0-9_]+)"
        readable = {
            "checkout.session": "checkout/sessions",
            "payment_intent": "payment_intents",
            "setup_intent": "setup_intents",
            "payment_method": "payment_methods",
            "charge": "charges",
            "refund": "refunds",
            "dispute": "disputes",
            "balance_transaction": "balance_transactions",
            "account": "accounts",
            "transfer": "transfers",
            "customer": "customers",
            "event": "events",
            "webhook_endpoint": "webhook_endpoints",
        }
        return [
            *(
                ("GET", f"/v1/{path}{one}", lambda _p, i, kind=kind: get(kind, i))
                for kind, path in readable.items()
            ),
            *(
                ("POST", f"/v1/{path}{one}", lambda p, i, kind=kind: self._update(get(kind, i), p))
                for kind, path in readable.items()
            ),
            *(
                ("GET", f"/v1/{path}", lambda p, kind=kind, path=path: self._list(kind, path, p))
                for kind, path in readable.items()
            ),
            ("GET", "/v1/account", lambda _p: get("account", ACCOUNT)),
            ("POST", "/v1/customers", self._customer),
            ("POST", "/v1/checkout/sessions", sessions.create),
            (
                "POST",
                f"/v1/checkout/sessions{one}/expire",
                lambda _p, i: sessions.expire(get("checkout.session", i)),
            ),
            ("POST", "/v1/payment_intents", pay.create),
            (
                "POST",
                f"/v1/payment_intents{one}/confirm",
                lambda p, i: pay.confirm(get("payment_intent", i), p),
            ),
            (
                "POST",
                f"/v1/payment_intents{one}/cancel",
                lambda p, i: pay.cancel(get("payment_intent", i), p.get("cancellation_reason")),
            ),
            (
                "POST",
                f"/v1/payment_methods{one}/attach",
                lambda p, i: pay.attach(pay.method(i), p["customer"]),
            ),
            (
                "POST",
                f"/v1/payment_methods{one}/detach",
                lambda _p, i: self._detach(get("payment_method", i)),
            ),
            ("POST", "/v1/refunds", pay.refund),
            ("POST", "/v1/accounts", connect.create),
            ("POST", "/v1/account_links", connect.link),
            ("POST", "/v1/transfers", connect.transfer),
            (
                "POST",
                f"/v1/transfers{one}/reversals",
                lambda p, i: connect.reverse(get("transfer", i), p),
            ),
            ("POST", "/v1/webhook_endpoints", self._endpoint),
        ]

    # -- what is too small for a place of its own -----------------------------------------------

    def _customer(self, params: Params) -> Row:
        customer = self.book.add(
            "customer",
            name=None,
            email=None,
            phone=None,
            address=None,
            description=None,
            preferred_locales=[],
            balance=0,
            currency=None,
            delinquent=False,
            default_source=None,
            invoice_settings={"default_payment_method": None},
        )
        self._update(customer, params, tell=False)
        self.book.tell("customer.created", customer)
        return customer

    def _update(self, row: Row, params: Params, *, tell: bool = True) -> Row:
        for name, value in params.items():
            if name == "expand":
                continue
            if name not in row:
                raise invalid(f"Received unknown parameter: {name}", name, "parameter_unknown")
            if isinstance(row[name], dict) and isinstance(value, dict):
                row[name] = {**row[name], **value}
            else:
                row[name] = value or None
        if tell and row["object"] == "customer":
            self.book.tell("customer.updated", row)
        return row

    def _detach(self, method: Row) -> Row:
        method["customer"] = None
        self.book.tell("payment_method.detached", method)
        return method

    def _endpoint(self, params: Params) -> Row:
        return self.book.add(
            "webhook_endpoint",
            url=params["url"],
            enabled_events=params["enabled_events"],
            api_version=params.get("api_version"),
            status="enabled",
            description=params.get("description"),
            application=None,
            secret="whsec_" + "d" * 32,
            metadata=dict(params.get("metadata") or {}),
        )

    def _list(self, kind: str, path: str, params: Params) -> Row:
        filters = {
            name: value
            for name, value in params.items()
            if name
            in ("customer", "payment_intent", "charge", "type", "status", "url", "transfer_group")
        }
        rows = self.book.all(kind, **filters)
        return listed(rows[: int(params.get("limit", 10))], f"/v1/{path}")

    def _expanded(self, row: Row, paths: list[str]) -> Row:
        """A copy with the objects that ``expand`` names in place of their ids."""
        copied: Row = json.loads(_bytes(row))
        for path in paths:
            here: Any = copied
            *before, last = path.split(".")
            for part in before:
                here = here.get(part) if isinstance(here, dict) else None
            if isinstance(here, dict) and isinstance(here.get(last), str):
                here[last] = json.loads(_bytes(self.book.rows[here[last]]))
        return copied


def _bytes(row: Row) -> bytes:
    return json.dumps(_shown(row)).encode()


def _shown(value: Any) -> Any:
    """Without the double's own notes."""
    if isinstance(value, dict):
        return {name: _shown(v) for name, v in value.items() if not name.startswith("_")}
    return [_shown(entry) for entry in value] if isinstance(value, list) else value
