"""Exact numbers in the database: right or refused, never silently wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django import forms
from django.core import serializers
from django.core.exceptions import FieldError, ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.db.models import (
    Avg,
    Case,
    Exists,
    ExpressionWrapper,
    F,
    Max,
    Min,
    OuterRef,
    StdDev,
    Subquery,
    Sum,
    Value,
    Variance,
    When,
    Window,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import (
    Abs,
    Cast,
    Coalesce,
    Greatest,
    Lag,
    Least,
    NullIf,
    Power,
    Round,
)
from rest_framework.serializers import ModelSerializer

from agencyportal.core.fields import CurrencyField, MoneyField, NanosField, QuantityField
from tests.samples.models import Price


def dec(text: str) -> Decimal:
    return Decimal(text)


@pytest.fixture
def prices(db: None) -> list[Price]:
    rows = [
        Price(amount=dec("1.5"), fee=None),
        Price(amount=dec("2.25"), fee=dec("3"), quantity=dec("1"), cost=dec("0.000000001")),
        Price(amount=dec("0"), fee=dec("-1"), quantity=dec("7")),
    ]
    for row in rows:
        row.save()
    return rows


def stored(column: str = "amount") -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM samples_price ORDER BY id")  # noqa: S608
        return [row[0] for row in cursor.fetchall()]


def amounts(queryset: models.QuerySet[Price]) -> list[str]:
    return [str(amount) for amount in queryset.order_by("pk").values_list("amount", flat=True)]


# --- Storing -----------------------------------------------------------------------------------


def test_numbers_are_stored_as_scaled_integers(prices: list[Price]):
    assert stored() == [15_000, 22_500, 0]
    assert stored("fee") == [None, 30_000, -10_000]
    assert stored("quantity") == [0, 1_000_000, 7_000_000]
    assert stored("cost") == [0, 1, 0]
    assert stored("list_price") == [12_500] * 3  # the column's own default


def test_numbers_come_back_as_decimals_of_their_scale(prices: list[Price]):
    price = Price.objects.get(pk=prices[1].pk)
    assert str(price.amount) == "2.2500"
    assert str(price.quantity) == "1.000000"
    assert str(price.cost) == "1E-9"
    assert str(price.list_price) == "1.2500"


@pytest.mark.parametrize("value", ["922337203685477.5807", "-922337203685477.5807", "0.0001"])
def test_the_ends_of_the_range_fit(db: None, value: str):
    # The check on the sample's amount does not bind the fee.
    Price.objects.create(amount=0, fee=dec(value))
    assert Price.objects.get().fee == dec(value)


@pytest.mark.parametrize("value", [dec("1.5"), "1.5", " 1.50 ", dec("15E-1")])
def test_decimals_and_text_are_written(db: None, value: Decimal | str):
    Price.objects.create(amount=value)
    assert stored() == [15_000]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.5, "float"),
        (dec("0.00001"), "more than 4 decimal places"),
        (dec("922337203685477.5808"), "too large"),
        ("1e999999999", "too large"),
        (dec("NaN"), "finite"),
        (dec("Infinity"), "finite"),
        ("1,5", "not a decimal"),
        (True, "not a decimal"),
        ([], "not a decimal"),
    ],
)
def test_what_is_not_exact_is_refused_by_every_way_of_writing(
    prices: list[Price], value: Any, message: str
):
    first = prices[0]
    writes = [
        lambda: Price.objects.create(amount=value),
        lambda: Price.objects.bulk_create([Price(amount=value)]),
        lambda: Price.objects.filter(pk=first.pk).update(amount=value),
        lambda: Price.objects.bulk_update([Price(pk=first.pk, amount=value)], ["amount"]),
        lambda: Price(amount=value).full_clean(),
    ]
    for write in writes:
        with pytest.raises(ValidationError, match=message), transaction.atomic():
            write()
    assert stored() == [15_000, 22_500, 0]


@pytest.mark.skipif("connection.vendor != 'sqlite'")
@pytest.mark.parametrize("literal", ["1.5", "'abc'", "x'00'"])
def test_sqlite_refuses_what_is_no_integer(prices: list[Price], literal: str):
    with (
        pytest.raises(IntegrityError, match="typeof"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"UPDATE samples_price SET fee = {literal}")  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute("UPDATE samples_price SET fee = NULL")


def test_a_null_where_none_is_allowed_is_refused_by_the_database(db: None):
    with pytest.raises(IntegrityError), transaction.atomic():
        Price.objects.create(amount=None)  # type: ignore[misc]


def test_a_check_constraint_compares_decimals(db: None):
    with pytest.raises(ValidationError, match="price_amount_not_absurd"):
        Price(amount=dec("-1000000.0001"), list_price=0).full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        Price.objects.create(amount=dec("-1000000.0001"))
    Price.objects.create(amount=dec("-1000000"))


def test_many_rows_at_once(db: None):
    Price.objects.bulk_create([Price(amount=dec(f"{n}.5"), fee=n or None) for n in range(5)])
    rows = list(Price.objects.order_by("pk"))
    for row in rows:
        row.amount += dec("0.0001")
    Price.objects.bulk_update(rows, ["amount"])
    assert stored() == [5_001, 15_001, 25_001, 35_001, 45_001]
    assert stored("fee") == [None, 10_000, 20_000, 30_000, 40_000]


# --- Computing ---------------------------------------------------------------------------------

SOUND: dict[str, tuple[Any, str]] = {
    "decimal added": (F("amount") + dec("1.5"), "3.7500"),
    "decimal first": (dec("1.5") - F("amount"), "-0.7500"),
    "integer added": (F("amount") + 2, "4.2500"),
    "column added": (F("amount") + F("fee"), "5.2500"),
    "column subtracted": (F("amount") - F("fee") - F("fee"), "-3.7500"),
    "literal": (MoneyField.literal(dec("9.5")), "9.5000"),
    "bare value": (Value(dec("9.5")), "9.5000"),
    "case": (Case(When(amount__gt=dec("1"), then=dec("9.5")), default=F("fee")), "9.5000"),
    "case default": (Case(When(amount__gt=9, then=F("fee")), default=dec("0.5")), "0.5000"),
    "coalesce": (Coalesce(NullIf(F("fee"), F("fee")), dec("7.5")), "7.5000"),
    "greatest": (Greatest(F("amount"), F("fee"), dec("1.5")), "3.0000"),
    "least": (Least(F("amount"), F("fee")), "2.2500"),
    "absolute": (Abs(F("amount") - F("fee")), "0.7500"),
    "wrapped": (ExpressionWrapper(F("fee") + 1, output_field=MoneyField()), "4.0000"),
    "raw with a type": (RawSQL("amount + 1", [], output_field=MoneyField()), "2.2501"),
    "subquery": (
        Subquery(Price.objects.filter(pk=OuterRef("pk")).values("fee")[:1]),
        "3.0000",
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_an_update_within_one_scale_is_exact(prices: list[Price], name: str):
    expression, expected = SOUND[name]
    Price.objects.filter(pk=prices[1].pk).update(amount=expression)
    assert amounts(Price.objects.all()) == ["1.5000", expected, "0.0000"]


@pytest.mark.parametrize("name", SOUND)
def test_a_comparison_within_one_scale_is_exact(prices: list[Price], name: str):
    expression, expected = SOUND[name]
    row = Price.objects.filter(pk=prices[1].pk)
    row.update(list_price=dec(expected))
    assert row.filter(list_price=expression).exists()
    assert not row.filter(list_price__gt=expression).exists()


def test_saving_an_expression_is_exact(prices: list[Price]):
    price = prices[0]
    price.amount = F("amount") + dec("0.1")
    price.save()
    price.refresh_from_db()
    assert price.amount == dec("1.6")
    assert Price.objects.create(amount=Value(dec("0.2"))).pk
    assert stored()[-1] == 2_000


UNSOUND: dict[str, Any] = {
    "another scale": F("quantity"),
    "scales mixed": F("amount") + F("quantity"),
    "literal of another scale": F("amount") + QuantityField.literal(dec("1")),
    "scales mixed in a case": Case(When(pk__gt=0, then=F("cost")), default=F("amount")),
    "scales mixed in a function": Coalesce(F("fee"), F("quantity"), output_field=MoneyField()),
    "columns multiplied": F("amount") * F("fee"),
    "multiplied": F("amount") * 2,
    "divided": F("amount") / 2,
    "modulo": F("amount") % 2,
    "wrapped product": ExpressionWrapper(F("amount") * 2, output_field=MoneyField()),
    "float": F("amount") + 1.5,
    "text": F("amount") + Value("1"),
    "rounded": Round("amount"),
    "raised": Power("amount", 2),
    "cast": Cast("quantity", MoneyField()),
    "raw without a type": RawSQL("amount", []),
    "an integer column": F("id"),
    "subquery of another scale": Subquery(Price.objects.values("quantity")[:1]),
    "subquery of a product": Subquery(
        Price.objects.annotate(
            product=ExpressionWrapper(F("amount") * F("fee"), output_field=MoneyField())
        ).values("product")[:1]
    ),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_an_unsound_update_is_refused(prices: list[Price], name: str):
    with pytest.raises(FieldError), transaction.atomic():
        Price.objects.update(amount=UNSOUND[name])
    assert stored() == [15_000, 22_500, 0]


@pytest.mark.parametrize("name", UNSOUND)
def test_an_unsound_comparison_is_refused(prices: list[Price], name: str):
    with pytest.raises(FieldError):
        list(Price.objects.filter(amount__gt=UNSOUND[name]))


@pytest.mark.parametrize("name", UNSOUND)
def test_an_unsound_result_is_refused_when_it_is_read(prices: list[Price], name: str):
    wrapped = ExpressionWrapper(UNSOUND[name], output_field=MoneyField())
    with pytest.raises(FieldError):
        list(Price.objects.annotate(result=wrapped).values_list("result", flat=True))


def test_columns_are_added_exactly_when_read(prices: list[Price]):
    rows = Price.objects.annotate(
        both=F("amount") + F("fee"), more=F("amount") + MoneyField.literal(dec("1.5"))
    ).order_by("pk")
    assert [row.both for row in rows] == [None, dec("5.25"), dec("-1")]
    assert [row.more for row in rows] == [dec("3"), dec("3.75"), dec("1.5")]


def test_a_bare_number_in_an_annotation_must_say_its_scale(prices: list[Price]):
    for bare in (F("amount") + dec("1.5"), Coalesce("fee", dec("1.5"))):
        with pytest.raises(FieldError):
            list(Price.objects.annotate(result=bare))
    # Told the type of the result, Django asks no more; zero alone is the same in every scale.
    told = Price.objects.annotate(
        result=Coalesce("fee", dec("0"), output_field=MoneyField())
    ).order_by("pk")
    assert [row.result for row in told] == [0, 3, -1]
    with pytest.raises(FieldError, match="has no scale"):
        list(Price.objects.annotate(result=Coalesce("fee", dec("2"), output_field=MoneyField())))


# --- Aggregates --------------------------------------------------------------------------------


def test_sums_and_extremes_are_exact(prices: list[Price]):
    assert Price.objects.aggregate(
        sum=Sum("amount"), low=Min("fee"), high=Max("quantity"), net=Sum("amount") - Sum("fee")
    ) == {"sum": dec("3.75"), "low": dec("-1"), "high": dec("7"), "net": dec("1.75")}


def test_the_sum_of_nothing_is_null_or_its_default(prices: list[Price]):
    nothing = Price.objects.filter(amount=77)
    assert nothing.aggregate(sum=Sum("amount"))["sum"] is None
    assert nothing.aggregate(sum=Sum("amount", default=dec("2.5")))["sum"] == dec("2.5")
    zero = Coalesce(Sum("amount"), dec("0"), output_field=MoneyField())
    assert nothing.aggregate(sum=zero)["sum"] == 0


def test_a_sum_beyond_what_a_double_can_count_is_exact(db: None):
    Price.objects.bulk_create([Price(amount=0, fee=dec("9007199254740.9931"))] * 3)
    assert Price.objects.aggregate(sum=Sum("fee"))["sum"] == dec("27021597764222.9793")


def test_a_sum_per_group_can_be_compared_and_summed_again(prices: list[Price]):
    groups = Price.objects.values("list_price").annotate(sum=Sum("amount"))
    assert list(groups.filter(sum__gt=dec("3.7499")).values_list("sum", flat=True)) == [dec("3.75")]
    assert not groups.filter(sum__gt=dec("3.75")).exists()
    by_quantity = Price.objects.values("quantity").annotate(sum=Sum("amount"))
    assert by_quantity.aggregate(all=Sum("sum"), most=Max("sum")) == {
        "all": dec("3.75"),
        "most": dec("2.25"),
    }


def test_windows_keep_the_scale(prices: list[Price]):
    rows = Price.objects.annotate(
        running=Window(Sum("amount"), order_by="pk"),
        before=Window(Lag("amount", 1, MoneyField.literal(3)), order_by="pk"),
    ).order_by("pk")
    assert [row.running for row in rows] == [dec("1.5"), dec("3.75"), dec("3.75")]
    assert [row.before for row in rows] == [dec("3"), dec("1.5"), dec("2.25")]


@pytest.mark.parametrize("aggregate", [Avg, StdDev, Variance])
def test_averages_are_refused(prices: list[Price], aggregate: type[models.Aggregate]):
    with pytest.raises(FieldError, match="does not keep the scale"):
        Price.objects.aggregate(result=aggregate("amount"))
    groups = Price.objects.values("currency").annotate(result=aggregate("amount"))
    with pytest.raises(FieldError, match="does not keep the scale"):
        list(groups.filter(result__gt=1).values("currency"))


# --- Looking up --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lookup", "found"),
    [
        ({"amount": dec("1.5")}, ["1.5000"]),
        ({"amount": "1.50"}, ["1.5000"]),
        ({"amount__gt": dec("1.5")}, ["2.2500"]),
        ({"amount__gte": dec("1.5")}, ["1.5000", "2.2500"]),
        ({"amount__lt": dec("1.5")}, ["0.0000"]),
        ({"amount__lte": 1}, ["0.0000"]),
        ({"amount__in": [dec("1.5"), 0]}, ["1.5000", "0.0000"]),
        ({"amount__in": [F("fee") + 1, dec("2.25")]}, ["2.2500", "0.0000"]),
        ({"amount__in": Price.objects.values("amount")[1:]}, ["2.2500", "0.0000"]),
        ({"amount__range": (0, dec("1.5"))}, ["1.5000", "0.0000"]),
        ({"amount__range": (F("fee"), 2)}, ["0.0000"]),
        ({"amount__gt": F("fee")}, ["0.0000"]),
        ({"fee__isnull": True}, ["1.5000"]),
        ({"fee": None}, ["1.5000"]),
    ],
)
def test_lookups_compare_decimals(prices: list[Price], lookup: dict[str, Any], found: list[str]):
    if "amount__in" in lookup and isinstance(lookup["amount__in"], models.QuerySet):
        lookup = {"amount__in": Price.objects.order_by("pk").values("amount")[1:]}
    assert amounts(Price.objects.filter(**lookup)) == found


def test_a_correlated_subquery_compares_within_one_scale(prices: list[Price]):
    above = Price.objects.filter(amount__gt=OuterRef("fee"))
    assert amounts(Price.objects.filter(Exists(above))) == ["0.0000"]
    mixed = Price.objects.filter(amount__gt=OuterRef("quantity"))
    with pytest.raises(FieldError, match="6 decimal places"):
        list(Price.objects.filter(Exists(mixed)))


def test_a_subquery_of_another_scale_is_refused(prices: list[Price]):
    with pytest.raises(FieldError, match="QuantityField has 6"):
        list(Price.objects.filter(amount__in=Price.objects.values("quantity")))


@pytest.mark.parametrize("name", ["contains", "startswith", "regex", "iexact"])
def test_stored_digits_cannot_be_searched(name: str):
    with pytest.raises(FieldError, match="Unsupported lookup"):
        Price.objects.filter(**{f"amount__{name}": "1"})


def test_a_lookup_finer_than_the_scale_is_refused():
    with pytest.raises(ValidationError, match="more than 4 decimal places"):
        Price.objects.filter(amount__gt=dec("1.00001"))


# --- Around the field --------------------------------------------------------------------------


class PriceForm(forms.ModelForm):
    class Meta:
        model = Price
        fields = ("amount", "fee", "quantity")


def test_a_form_shows_no_trailing_zeros(prices: list[Price]):
    form = PriceForm(instance=Price.objects.get(pk=prices[1].pk))
    assert 'value="2.25"' in str(form["amount"])
    assert 'value="7"' in str(PriceForm(instance=prices[2])["quantity"])


def test_a_form_writes_what_was_typed(db: None):
    form = PriceForm({"amount": "12.3456", "fee": "", "quantity": "0.000001"})
    assert form.is_valid(), form.errors
    form.save()
    assert (stored(), stored("fee"), stored("quantity")) == ([123_456], [None], [1])


@pytest.mark.parametrize("typed", ["1.00001", "999999999999999", "1.234,5", "NaN", ""])
def test_a_form_refuses_what_does_not_fit(typed: str):
    assert list(PriceForm({"amount": typed, "quantity": "1"}).errors) == ["amount"]


class PriceSerializer(ModelSerializer):
    class Meta:
        model = Price
        fields = ("amount", "fee", "quantity", "cost")


def test_json_carries_plain_strings(prices: list[Price]):
    price = Price.objects.get(pk=prices[1].pk)
    assert PriceSerializer(price).data == {
        "amount": "2.25",
        "fee": "3",
        "quantity": "1",
        "cost": "0.000000001",
    }
    assert PriceSerializer(prices[0]).data["fee"] is None


@pytest.mark.parametrize("sent", [1.5, True, "1.00001", "abc", "NaN", "1e400"])
def test_json_that_is_not_exact_is_refused(sent: Any):
    serializer = PriceSerializer(data={"amount": sent, "quantity": "1", "cost": "0"})
    assert not serializer.is_valid()
    assert list(serializer.errors) == ["amount"]


def test_json_strings_and_integers_are_accepted():
    serializer = PriceSerializer(data={"amount": "1.5", "fee": 2, "quantity": "1", "cost": "0"})
    assert serializer.is_valid(), serializer.errors
    assert serializer.validated_data["amount"] == dec("1.5")
    assert serializer.validated_data["fee"] == 2


@pytest.mark.parametrize("fmt", ["json", "jsonl", "xml"])
def test_fixtures_round_trip(prices: list[Price], fmt: str):
    text = serializers.serialize(fmt, Price.objects.order_by("pk"))
    before = list(Price.objects.order_by("pk").values())
    Price.objects.all().delete()
    for row in serializers.deserialize(fmt, text):
        row.save()
    assert list(Price.objects.order_by("pk").values()) == before


@pytest.mark.parametrize("field", [MoneyField, QuantityField, NanosField])
def test_migrations_name_the_field_and_nothing_of_its_scale(field: type[MoneyField]):
    _, path, args, kwargs = field(null=True, default=Decimal(0)).deconstruct()
    assert path == f"agencyportal.core.fields.{field.__name__}"
    assert (args, kwargs) == ([], {"null": True, "default": Decimal(0)})


def test_currencies_and_time_zones_are_real_ones(db: None):
    Price(amount=0, list_price=0, fee=0, currency="JPY", timezone="Europe/Berlin").full_clean()
    with pytest.raises(ValidationError) as refused:
        Price(amount=0, list_price=0, fee=0, currency="usd", timezone="CET/Home").full_clean()
    assert sorted(refused.value.message_dict) == ["currency", "timezone"]
    assert CurrencyField(default="USD").deconstruct()[3] == {"default": "USD"}
