"""Elements of a Cross Industry Invoice: how texts, numbers and days are written in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

from agencyportal.core.money import plain

RSM: Final = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
RAM: Final = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
QDT: Final = "urn:un:unece:uncefact:data:standard:QualifiedDataType:100"
UDT: Final = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"

for _prefix, _uri in (("rsm", RSM), ("ram", RAM), ("qdt", QDT), ("udt", UDT)):
    register_namespace(_prefix, _uri)

UNPRINTABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write, not even escaped: control characters and lone surrogates."""


def root(name: str) -> Element:
    return Element(f"{{{RSM}}}{name}")


def part(parent: Element, name: str) -> Element:
    """A further section of the message itself (``rsm``)."""
    return SubElement(parent, f"{{{RSM}}}{name}")


def child(parent: Element, name: str, text: str = "", **attributes: str) -> Element:
    """A new last child (``ram``), with what XML can say of ``text``."""
    element = SubElement(parent, f"{{{RAM}}}{name}", attributes)
    if text:
        element.text = cleaned(text)
    return element


def text_child(parent: Element, name: str, text: str, **attributes: str) -> None:
    """`child`, unless there is nothing to say: the norm knows no empty elements."""
    if cleaned(text):
        child(parent, name, text, **attributes)


def amount(parent: Element, name: str, value: Decimal, **attributes: str) -> None:
    """A sum of money. Its currency is the document's, named once."""
    child(parent, name, _amount_text(value), **attributes)


def number(parent: Element, name: str, value: Decimal, **attributes: str) -> None:
    child(parent, name, plain(value), **attributes)


def day(parent: Element, name: str, value: date, *, namespace: str = UDT) -> None:
    """A date, in the one form that the norm allows: 20260131."""
    holder = child(parent, name)
    stamp = SubElement(holder, f"{{{namespace}}}DateTimeString", {"format": "102"})
    stamp.text = f"{value:%Y%m%d}"


def indicator(parent: Element, name: str, *, value: bool) -> None:
    SubElement(child(parent, name), f"{{{UDT}}}Indicator").text = "true" if value else "false"


def cleaned(text: str) -> str:
    """``text`` without what XML cannot write, and without space around it."""
    return UNPRINTABLE.sub("", text).strip()


def first_of(texts: Iterable[str]) -> str:
    """The first that says something."""
    return next((text for text in texts if cleaned(text)), "")


def written(message: Element) -> bytes:
    indent(message)
    content: bytes = tostring(message, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _amount_text(value: Decimal) -> str:
    """With two places, as accountants' programs expect it; a yen has none and still may have."""
    return f"{value:.2f}"
