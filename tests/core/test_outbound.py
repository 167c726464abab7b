"""Whom the portal calls, and whom it does not, however the address is written."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time

import httpcore2
import pytest

from agencyportal.core.outbound import (
    MOST_READ,
    OutboundError,
    RefusedAddressError,
    check_url,
    is_public,
    post,
)
from tests.billing.receiver import Receiver


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.5.5",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "::7f00:1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_addresses_inside_are_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_addresses_outside_are(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://",
        "https://user:secret@hooks.example.com/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://bücher.example/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/" + "a" * 500,
        "http://127.0.0.1:8000/",
    ],
)
def test_addresses_that_are_refused(url):
    with pytest.raises(RefusedAddressError):
        check_url(url, allow_local=False)


@pytest.mark.parametrize(
    ("url", "allow_local"),
    [
        ("https://hooks.example.com/in?key=1", False),
        ("https://93.184.216.34:8443/", False),
        ("http://127.0.0.1:8000/", True),
        ("http://localhost:8000/", True),
    ],
)
def test_addresses_that_are_fine(url, allow_local):
    check_url(url, allow_local=allow_local)


def test_local_never_means_the_network_beside():
    for url in ("http://10.0.0.1/", "https://192.168.0.1/", "http://hooks.example.com/"):
        with pytest.raises(RefusedAddressError):
            check_url(url, allow_local=True)


def resolving_to(monkeypatch, *addresses: str) -> list[str]:
    """Every name is at these addresses; returns whom a connection was tried to."""
    tried: list[str] = []

    def lookup(_host, port, **_kwargs):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses
        ]

    def connect(_self, host, *_args, **_kwargs):
        tried.append(host)
        raise httpcore2.ConnectError("nobody there")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", connect)
    return tried


@pytest.mark.parametrize("inside", ["10.0.0.1", "127.0.0.1", "169.254.169.254"])
def test_a_name_that_leads_inside_is_refused(monkeypatch, inside):
    tried = resolving_to(monkeypatch, "93.184.216.34", inside)

    with pytest.raises(RefusedAddressError, match="not a public address"):
        post("https://rebound.example/", body=b"", headers={}, allow_local=False)
    assert tried == []


def test_the_very_address_that_was_looked_at_is_called(monkeypatch):
    tried = resolving_to(monkeypatch, "93.184.216.34", "93.184.216.35")

    with pytest.raises(OutboundError, match="nobody there"):
        post("https://hooks.example.com/", body=b"", headers={}, allow_local=False)
    assert tried == ["93.184.216.34", "93.184.216.35"]


def test_an_answer_comes_back():
    with Receiver(statuses=[201]) as receiver:
        answer = post(receiver.url, body=b"{}", headers={"X-Ours": "1"}, allow_local=True)

    assert (answer.status, answer.excerpt) == (201, "thank you")
    (call,) = receiver.calls
    assert (call.body, call.headers["x-ours"]) == (b"{}", "1")
    assert call.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_redirects_are_not_followed():
    with Receiver() as elsewhere, Receiver(statuses=[302]) as receiver:
        receiver.headers["Location"] = elsewhere.url
        answer = post(receiver.url, body=b"", headers={}, allow_local=True)

    assert answer.status == 302
    assert elsewhere.calls == []


def test_only_the_beginning_of_an_answer_is_read():
    with Receiver(answer=b"a\0" * 200_000) as receiver:
        answer = post(receiver.url, body=b"", headers={}, allow_local=True)

    assert answer.excerpt == "a" * (MOST_READ // 2)


def test_who_keeps_us_waiting_is_left():
    done = threading.Event()
    with Receiver(before=lambda _call: done.wait(10)) as receiver:
        began = time.monotonic()
        with pytest.raises(OutboundError, match="No answer within"):
            post(receiver.url, body=b"", headers={}, allow_local=True, seconds=0.2)
        assert time.monotonic() - began < 5
        done.set()


def test_nobody_there():
    with Receiver() as receiver:
        url = receiver.url
    with pytest.raises(OutboundError, match="ConnectError"):
        post(url, body=b"", headers={}, allow_local=True)
