"""Nothing grows past what a reader holds in mind."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, modules

MODULE_LINES = 400
FUNCTION_LINES = 70


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_readable(path: Path) -> None:
    source = path.read_text(encoding="utf-8")

    assert len(source.splitlines()) <= MODULE_LINES, f"split {path.name} by noun"
    assert long_functions(source) == []


def long_functions(source: str) -> list[str]:
    return [
        f"{node.name} (line {node.lineno}): {lines} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]


def test_a_long_function_is_found() -> None:
    source = "def f():\n" + "    x = 1\n" * FUNCTION_LINES

    assert long_functions(source) == [f"f (line 1): {FUNCTION_LINES + 1} lines"]
