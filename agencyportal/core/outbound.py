"""Posting to addresses that other people wrote down, without being sent astray by them.

Whoever may name an address could name one inside our own network. So a name is resolved here, all
of its addresses must be public ones, and the connection goes to the very address that was looked
at: a name that answers differently the second time gains nothing. Redirects are not followed, no
proxy of the environment is used, what is read of an answer is bounded, and one deadline holds for
everything from the connection to the last byte.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore2

LONGEST_URL: Final = 500
SECONDS: Final = 15.0
MOST_READ: Final = 2_000
"""How much of an answer is read, in bytes."""

_V4_INSIDE_V6: Final = (
    ipaddress.IPv6Network("64:ff9b::/96"),  # translated (NAT64): the last four bytes are the host
    ipaddress.IPv6Network("::/96"),
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class OutboundError(Exception):
    """The address was not reached, or did not answer in time; the message says what happened."""


class RefusedAddressError(OutboundError, ValueError):
    """An address that we do not talk to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the first bytes of the body as text, and how long it took."""

    status: int
    excerpt: str
    milliseconds: int


def check_url(url: str, *, allow_local: bool) -> None:
    """Raise RefusedAddressError, in words, for a URL that cannot be posted to.

    ``allow_local``: http and https on this machine alone are fine, too. Names are not resolved
    here: what they resolve to is looked at when they are called.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RefusedAddressError("This is no web address.") from None
    host = parts.hostname or ""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise RefusedAddressError(
            f"A web address of at most {LONGEST_URL} plain characters is needed."
        )
    if not host or parts.username is not None or parts.password is not None or port == 0:
        raise RefusedAddressError("Write an address as https://hooks.example.com/path.")
    if parts.fragment:
        raise RefusedAddressError("Leave out what follows the #.")
    is_local = allow_local and _is_named_local(host)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise RefusedAddressError("Only https addresses are called.")
    literal = _literal(host)
    if literal is not None and not _may_call(literal, allow_local=allow_local):
        raise RefusedAddressError("This address is not a public one.")
    if literal is None and _is_named_local(host) and not is_local:
        raise RefusedAddressError("This address is not a public one.")


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    allow_local: bool,
    seconds: float = SECONDS,
) -> Answer:
    """Post to an address and read the beginning of what it answers. Raises OutboundError."""
    check_url(url, allow_local=allow_local)
    began = time.monotonic()
    backend = _Guarded(deadline=began + seconds, allow_local=allow_local)
    try:
        with (
            httpcore2.ConnectionPool(
                ssl_context=_ssl_context(), network_backend=backend, retries=0
            ) as pool,
            pool.stream(
                "POST",
                url,
                headers=[("User-Agent", "AgencyPortal-Webhooks/1"), *headers.items()],
                content=body,
                extensions={"timeout": dict.fromkeys(("connect", "read", "write"), seconds)},
            ) as response,
        ):
            excerpt = _beginning(response.iter_stream())
            status = int(response.status)
    except OutboundError:
        raise
    except httpcore2.TimeoutException:
        raise OutboundError(f"No answer within {seconds:g} seconds.") from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
        raise OutboundError(f"{type(error).__name__}: {error}"[:500]) from error
    return Answer(status, excerpt, round((time.monotonic() - began) * 1000))


def _beginning(chunks: Iterable[bytes]) -> str:
    read = b""
    for chunk in chunks:
        read += chunk
        if len(read) >= MOST_READ:
            break
    # What a database cannot store is left out.
    return read[:MOST_READ].decode("utf-8", "replace").replace("\0", "")


@cache
def _ssl_context() -> ssl.SSLContext:
    return ssl.create_default_context()


# --- Whom we talk to ---------------------------------------------------------------------------


def resolve(host: str, port: int) -> list[Address]:
    """Every address of a name. Raises OutboundError where there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OutboundError(f"{host} was not found: {error}") from None
    # A scope ("%eth0") belongs to addresses of a link, which are refused anyway.
    texts = [str(entry[4][0]).partition("%")[0] for entry in found]
    return [ipaddress.ip_address(text) for text in dict.fromkeys(texts)]


def is_public(address: Address) -> bool:
    """Whether an address is somebody's on the internet, however it is written."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or _translated(address)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if any(address in network for network in _V4_INSIDE_V6):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _may_call(address: Address, *, allow_local: bool) -> bool:
    return is_public(address) or (allow_local and address.is_loopback)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_named_local(host: str) -> bool:
    literal = _literal(host)
    if literal is not None:
        return literal.is_loopback
    return host == "localhost" or host.endswith(".localhost")


class _Guarded(httpcore2.NetworkBackend):
    """Connects to public addresses alone, and lets everything take so long altogether."""

    def __init__(self, *, deadline: float, allow_local: bool) -> None:
        self._deadline, self._allow_local = deadline, allow_local
        self._plain = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = resolve(host, port)
        for address in addresses:
            if not _may_call(address, allow_local=self._allow_local):
                raise RefusedAddressError(f"{host} is at {address}, which is not a public address.")
        failure: Exception = OutboundError(f"{host} has no address.")
        for address in addresses:
            try:
                stream = self._plain.connect_tcp(
                    str(address),
                    port,
                    timeout=_left(self._deadline),
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Timed(stream, self._deadline)
        raise failure


class _Timed(httpcore2.NetworkStream):
    """A connection on which everything together has until the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, timeout=_left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, timeout=_left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        secured = self._stream.start_tls(
            ssl_context, server_hostname=server_hostname, timeout=_left(self._deadline)
        )
        return _Timed(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("out of time")
    return left
