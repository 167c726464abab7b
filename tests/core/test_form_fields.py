"""Numbers in forms: plain digits, or refused."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from agencyportal.core.form_fields import PlainDecimalFormField, WholeNumberFormField
from tests.architecture.sources import modules

LOOSE = ["1_000", "\u0661", "\uff11", "1 0", "1,5", "0x1f", "NaN", "Infinity", "five"]


@pytest.mark.parametrize("text", LOOSE)
@pytest.mark.parametrize("field", [PlainDecimalFormField(), WholeNumberFormField()])
def test_what_is_not_in_plain_digits_is_refused(field, text):
    with pytest.raises(ValidationError, match=r"Enter a (whole )?number"):
        field.clean(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("12.50", "12.5"), (".5", "0.5"), (" 7 ", "7"), ("-3", "-3"), ("1e3", "1000")],
)
def test_what_people_type_is_read(text, number):
    assert PlainDecimalFormField().clean(text) == Decimal(number)


def test_a_whole_number_is_read():
    assert WholeNumberFormField().clean(" 14 ") == 14
    assert WholeNumberFormField(required=False).clean("") is None


def test_no_form_reads_numbers_otherwise():
    loose = re.compile(r"forms\.(Decimal|Integer|Float)Field\(")
    assert [path.name for path in modules() if loose.search(path.read_text())] == []
