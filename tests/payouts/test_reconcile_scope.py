"""Reconciling reads one state of the database, and holds up nobody."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from clients.models import Agency
from payouts.reconcile.scope import Scope, standing_still


@pytest.mark.django_db(transaction=True)
def test_it_reads_one_state_of_the_database_while_others_write(platform):
    def add(slug: str) -> None:
        try:
            Agency.objects.create(slug=slug, name=slug)
        finally:
            connection.close()

    with standing_still():
        assert Agency.objects.count() == 0
        writer = threading.Thread(target=add, args=("northwind",))
        writer.start()
        writer.join(timeout=10)
        assert Agency.objects.count() == 0
    assert Agency.objects.count() == 1
    Agency.objects.create(slug="harbor", name="Harbor")


def test_without_an_agency_everybodys_rows_are_in_scope(northwind, harbor):
    assert set(Scope().of(Agency.objects.all())) == {northwind, harbor}
    assert set(Scope(harbor).of(Agency.objects.all())) == {harbor}
