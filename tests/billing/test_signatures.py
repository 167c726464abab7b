"""Signatures agree with the specification's own examples."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.signatures import headers_of, new_secret, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = dt.datetime.fromtimestamp(1614265330, dt.UTC)
BODY = b'{"test": 2432232314}'


def test_the_published_example():
    headers = headers_of(message_id=ID, at=AT, body=BODY, secrets=[SECRET])

    assert headers == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_two_secrets_sign_twice():
    other = new_secret(b"x" * 32)
    headers = headers_of(message_id=ID, at=AT, body=BODY, secrets=[other, SECRET])

    first, second = headers["webhook-signature"].split(" ")
    assert second == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert first != second


def test_a_secret_that_is_none_signs_nothing():
    with pytest.raises(ValueError, match="whsec_"):
        signature(message_id=ID, timestamp="1", body=BODY, secret="whsec_not base64!")


@given(st.binary(min_size=24, max_size=64), st.binary(), st.text("abc_123", min_size=1))
def test_it_is_hmac_sha256_over_id_time_and_body(key, body, name):
    said = signature(message_id=name, timestamp="17", body=body, secret=new_secret(key))

    expected = hmac.new(key, f"{name}.17.".encode() + body, hashlib.sha256).digest()
    assert said == f"v1,{base64.b64encode(expected).decode()}"
