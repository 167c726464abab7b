"""The double itself: a server in a thread, and what tests make happen there."""

from __future__ import annotations

import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from .api import Api
from .pages import authenticate_page, onboarding_page, pay_page
from .webhooks import signed
from .wire import ApiError, parsed

Row = dict[str, Any]


class StripeDouble:
    """Stripe, for one process. ``reset`` between tests; nothing is kept on disk."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.daemon = True
        self.reset()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reset(self) -> None:
        self.api = Api(self.url)
        self.book = self.api.book
        self.breaks: list[str] = []
        """What happens to the next calls: ``drop`` (no answer, and nothing done), ``lose`` (done,
        and no answer), ``500``, ``429``, ``401``."""

    # -- what tests look at ---------------------------------------------------------------------

    @property
    def events(self) -> list[Row]:
        return self.book.events

    @property
    def calls(self) -> list[tuple[str, str, Row]]:
        """Method, path and parameters of every call that was not answered from an earlier one."""
        return self.api.calls

    def rows(self, kind: str, **equal: Any) -> list[Row]:
        """Objects of a kind, newest first."""
        return self.book.all(kind, **equal)

    def last(self, kind: str) -> Row:
        return self.rows(kind)[0]

    # -- what tests make happen -----------------------------------------------------------------

    def pay(self, session_id: str, with_: str = "card") -> Row:
        """Somebody pays on the hosted page, or saves a card there."""
        with self._lock:
            return self.api.sessions.pay(self.book.get("checkout.session", session_id), with_)

    def expire(self, session_id: str) -> Row:
        with self._lock:
            return self.api.sessions.expire(self.book.get("checkout.session", session_id))

    def authenticate(self, intent_id: str, *, ok: bool = True) -> Row:
        """Whoever holds the card says that it is them, or fails to."""
        with self._lock:
            intent = self.book.get("payment_intent", intent_id)
            if not ok:
                return self.api.payments.fail(
                    intent,
                    "payment_intent_authentication_failure",
                    "The provided PaymentMethod has failed authentication.",
                )
            self.api.payments.succeed(intent)
            session = self.api.sessions.of_intent(intent_id)
            if session is not None and session["status"] == "open":
                self.api.sessions.complete(session)
            return intent

    def settle(self, intent_id: str) -> Row:
        """A payment that takes days has come."""
        with self._lock:
            intent = self.api.payments.succeed(self.book.get("payment_intent", intent_id))
            self.api.sessions.settled(intent, paid=True)
            return intent

    def bounce(self, intent_id: str) -> Row:
        """A payment that takes days does not come."""
        with self._lock:
            intent = self.api.payments.fail(
                self.book.get("payment_intent", intent_id),
                "payment_intent_payment_attempt_failed",
                "The customer's bank account could not be debited.",
            )
            self.api.sessions.settled(intent, paid=False)
            return intent

    def verify(self, intent_id: str) -> Row:
        """Somebody has named the small amounts that their account got."""
        with self._lock:
            return self.api.payments.verified(self.book.get("payment_intent", intent_id))

    def return_debit(self, intent_id: str, reason: str = "insufficient_funds") -> Row:
        """A bank takes back a debit that was paid."""
        with self._lock:
            intent = self.book.get("payment_intent", intent_id)
            return self.api.payments.return_debit(intent, reason)

    def finish_refund(self, refund_id: str, status: str = "succeeded") -> Row:
        with self._lock:
            return self.api.payments.finish_refund(self.book.get("refund", refund_id), status)

    def dispute(self, intent_id: str, amount: int | None = None, reason: str = "fraudulent") -> Row:
        with self._lock:
            intent = self.book.get("payment_intent", intent_id)
            return self.api.payments.dispute(intent, amount, reason)

    def close_dispute(self, dispute_id: str, outcome: str) -> Row:
        with self._lock:
            return self.api.payments.close_dispute(self.book.get("dispute", dispute_id), outcome)

    def onboard(self, account_id: str) -> Row:
        with self._lock:
            return self.api.connect.onboard(self.book.get("account", account_id))

    def disable(self, account_id: str, reason: str = "listed") -> Row:
        """Stripe stops an account, or its holder disconnects it."""
        with self._lock:
            return self.api.connect.disable(self.book.get("account", account_id), reason)

    def take_back(self, transfer_id: str, amount: int | None = None) -> Row:
        """Somebody reverses a transfer in Stripe's dashboard."""
        with self._lock:
            transfer = self.book.get("transfer", transfer_id)
            return self.api.connect.reverse(transfer, {"amount": amount} if amount else {})

    def save_card(self, customer_id: str, way: str = "card", *, default: bool = True) -> Row:
        """A card that the customer saved some time ago."""
        with self._lock:
            method = self.api.payments.new_method(way)
            method["_authenticated"] = True
            method["customer"] = customer_id
            if default:
                settings = self.book.get("customer", customer_id)["invoice_settings"]
                settings["default_payment_method"] = method["id"]
            return method

    def send(self, event: Row, url: str, secret: str) -> int:
        """Post an event to a server; the status that came back."""
        body, headers = signed(event, secret)
        request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return int(response.status)

    # -- the server's side ----------------------------------------------------------------------

    def call(
        self, method: str, path: str, form: str, headers: dict[str, str]
    ) -> tuple[int, bytes, dict[str, str]] | None:
        """An answer of the API; None: the connection ends without one."""
        with self._lock:
            broken = self.breaks.pop(0) if self.breaks else ""
            if broken == "drop":
                return None
            if broken.isdigit():
                words = {"401": "Invalid API Key provided", "429": "Too many requests"}
                error = ApiError(int(broken), "api_error", words.get(broken, "Something broke"))
                return error.status, _json(error), {}
            if not headers.get("authorization", "").startswith("Bearer sk_test_"):
                error = ApiError(401, "invalid_request_error", "You did not provide an API key.")
                return 401, _json(error), {}
            key = headers.get("idempotency-key", "") if method == "POST" else ""
            answer = self.api.answer(method, path, parsed(form), key)
            return None if broken == "lose" else answer

    def page(self, method: str, path: str, form: Row) -> tuple[int, bytes, str]:
        """Status, body and where to go next, of a page that people see."""
        with self._lock:
            _, kind, row_id = path.split("/")
            if kind == "pay":
                return self._pay_page(method, row_id, form)
            if kind == "authenticate":
                return self._authenticate_page(method, row_id, form)
            account = self.book.get("account", row_id)
            if method == "POST":
                self.onboard(row_id)
            return 200, onboarding_page(account), ""

    def _pay_page(self, method: str, session_id: str, form: Row) -> tuple[int, bytes, str]:
        session = self.book.get("checkout.session", session_id)
        if method == "GET":
            return 200, pay_page(session), ""
        if form["way"] == "cancel":
            return 303, b"", session["cancel_url"]
        try:
            self.pay(session_id, form["way"])
        except ApiError as error:
            return 200, pay_page(session, error.message), ""
        if session["status"] == "open":
            return 303, b"", f"{self.url}/authenticate/{session['payment_intent']}"
        return 303, b"", _filled(session)

    def _authenticate_page(self, method: str, intent_id: str, form: Row) -> tuple[int, bytes, str]:
        intent = self.book.get("payment_intent", intent_id)
        if method == "GET":
            return 200, authenticate_page(intent), ""
        back = (intent["next_action"] or {}).get("redirect_to_url", {}).get("return_url", "")
        self.authenticate(intent_id, ok=form["outcome"] == "complete")
        session = self.api.sessions.of_intent(intent_id)
        if session is None:
            return 303, b"", back
        done = session["status"] == "complete"
        return 303, b"", _filled(session) if done else f"{self.url}/pay/{session['id']}"


def _filled(session: Row) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _json(error: ApiError) -> bytes:
    return json.dumps(error.body()).encode()


def _handler(double: StripeDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def do_DELETE(self) -> None:
            self._answer("DELETE")

        def _answer(self, method: str) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            form = body or parts.query
            if not parts.path.startswith("/v1/"):
                status, shown, onward = double.page(method, parts.path, parsed(form))
                more = {"Location": onward} if onward else {}
                self._send(status, shown, "text/html; charset=utf-8", more)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = double.call(method, parts.path, form, headers)
            if answer is None:
                self.close_connection = True
                return
            status, shown, more = answer
            self._send(status, shown, "application/json", {**more, "Request-Id": "req_double"})

        def _send(self, status: int, body: bytes, kind: str, more: dict[str, str]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing: what was called is in ``calls``."""

    return Handler
