"""The import contracts cover what they are about. `make imports` checks that they hold."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tests.architecture.sources import PACKAGES, ROOT

PURE_CORES = (
    "agencyportal.core.money",
    "agencyportal.core.periods",
    "billing.margin",
    "billing.proration",
    "billing.rating",
    "billing.scenario",
    "billing.simulation",
    "billing.tax",
    "billing.tax_rules",
    "billing.waterfall",
    "clients.costing",
    "clients.metering",
    "payouts.statement",
)


def contracts() -> dict[str, dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    linter = settings["tool"]["importlinter"]
    assert linter["root_packages"] == list(PACKAGES)
    return {contract["id"]: contract for contract in linter["contracts"]}


@pytest.mark.parametrize("core", PURE_CORES)
def test_every_pure_core_is_held_pure(core: str) -> None:
    assert core in contracts()["pure"]["source_modules"]
    assert "django" in contracts()["pure"]["forbidden_modules"]


def test_every_module_of_the_composition_root_has_a_layer() -> None:
    """A new module or face beside them would otherwise import what it likes."""
    layers = " ".join(contracts()["one-way"]["layers"])
    named = set(layers.replace("(", "").replace(")", "").split())
    inside = {
        f"agencyportal.{path.stem}"
        for path in (ROOT / "agencyportal").iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
    }

    assert inside <= named
