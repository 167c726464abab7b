"""Workspace keys: shown once, kept as a hash, recognised while they are usable."""

from __future__ import annotations

import datetime as dt
import hashlib

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clients.models import WorkspaceKey
from clients.services.keys import authenticate, create_key, revoke_key

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)


def test_a_key_is_random_marked_and_kept_only_as_a_hash(acme_support, owner, now):
    key, text = create_key(
        workspace=acme_support, name="App", scopes=["events"], now=now, created_by=owner
    )
    _, other = create_key(workspace=acme_support, name="App", scopes=["events"], now=now)

    assert text.startswith("apk_")
    assert len(text) == 47  # 256 bits
    assert text != other
    stored = WorkspaceKey.objects.get(pk=key.pk)
    assert stored.secret_hash == hashlib.sha256(text.encode()).hexdigest()
    assert stored.prefix == text[:12]
    assert text not in repr(list(WorkspaceKey.objects.values()))
    assert (stored.created_at, stored.created_by) == (now, owner)


def test_it_opens_its_workspace_until_it_expires(acme_support, now):
    key, text = create_key(
        workspace=acme_support, name="App", scopes=["events"], now=now, expires_at=now + HOUR
    )
    instant = dt.timedelta(microseconds=1)

    found = authenticate(plain_text=text, now=now + HOUR - instant)
    assert found == key
    assert found is not None
    assert found.workspace == acme_support
    assert authenticate(plain_text=text, now=now + HOUR) is None


def test_it_opens_nothing_once_it_is_revoked(acme_support, now):
    key, text = create_key(workspace=acme_support, name="App", scopes=["events"], now=now)
    revoke_key(key=key, now=now)
    revoke_key(key=key, now=now + HOUR)

    assert key.revoked_at == now
    assert authenticate(plain_text=text, now=now + HOUR) is None


@pytest.mark.parametrize("text", ["", "apk_", "nope", "\udcff", "ü" * 40, "x" * 10_000])
def test_other_texts_open_nothing(acme_support, now, text):
    create_key(workspace=acme_support, name="App", scopes=["events"], now=now)
    assert authenticate(plain_text=text, now=now) is None


def test_its_use_is_noted_at_most_once_a_minute(acme_support, now):
    key, text = create_key(workspace=acme_support, name="App", scopes=["events"], now=now)

    def last_used_after(seconds: int) -> dt.datetime | None:
        authenticate(plain_text=text, now=now + dt.timedelta(seconds=seconds))
        key.refresh_from_db()
        return key.last_used_at

    assert last_used_after(0) == now
    with CaptureQueriesContext(connection) as queries:
        authenticate(plain_text=text, now=now + dt.timedelta(seconds=59))
    assert [q["sql"].split()[0] for q in queries] == ["SELECT"]
    assert last_used_after(59) == now
    assert last_used_after(60) == now + dt.timedelta(minutes=1)


def test_workspace_client_and_agency_come_with_it(acme_support, now):
    _, text = create_key(workspace=acme_support, name="App", scopes=["events"], now=now)
    key = authenticate(plain_text=text, now=now)
    assert key is not None
    with CaptureQueriesContext(connection) as queries:
        assert key.workspace.client.slug == "acme"
        assert key.workspace.agency.slug == "northwind"
    assert len(queries) == 0


def test_a_fixed_key_is_as_given_and_does_not_show_itself(acme_support, acme_docs, now):
    key, text = create_key(
        workspace=acme_support, name="Demo", scopes=["read", "events"], now=now, secret="demo-key-1"
    )

    assert text == "demo-key-1"
    assert key.prefix == "dem"
    assert key.scopes == ["events", "read"]
    assert authenticate(plain_text="demo-key-1", now=now) == key
    with pytest.raises(ValidationError, match="already exists"):
        create_key(
            workspace=acme_docs, name="Demo", scopes=["events"], now=now, secret="demo-key-1"
        )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["events", "everything"]}, "scopes"),
        ({"secret": "short"}, "secret"),
        ({"secret": "with a space"}, "secret"),
        ({"secret": "schlüssel-lang"}, "secret"),
        ({"secret": "x" * 256}, "secret"),
        ({"name": ""}, "name"),
    ],
)
def test_keys_that_make_no_sense_are_refused(acme_support, now, fields, field):
    arguments = {"workspace": acme_support, "name": "App", "scopes": ["events"], "now": now}
    with pytest.raises(ValidationError) as refused:
        create_key(**(arguments | fields))
    assert list(refused.value.message_dict) == [field]
    assert not WorkspaceKey.objects.exists()


def test_a_key_that_has_expired_already_is_refused(acme_support, now):
    with pytest.raises(ValidationError, match="already have expired"):
        create_key(workspace=acme_support, name="App", scopes=["events"], now=now, expires_at=now)
