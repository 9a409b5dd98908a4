"""Each promise of docs/reliability.md names tests that exist; that they ran, conftest.py sees when all have."""

import ast
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.promises import REPOSITORY, Promise, promises


@pytest.mark.parametrize("promise", promises(), ids=lambda promise: promise.text[:40])
def test_every_promise_names_tests_that_exist(promise: Promise) -> None:
    assert promise.tests
    for test in promise.tests:
        file, _, name = test.partition("::")
        functions = [
            node.name for node in ast.parse((REPOSITORY / file).read_text()).body if isinstance(node, ast.FunctionDef)
        ]
        assert not name or name in functions, test


def test_no_row_of_the_page_is_overlooked() -> None:
    """Each row of its tables of promises names a test."""
    parts = (REPOSITORY / "docs/reliability.md").read_text().split("| promise | held by |\n")[1:]
    rows = [line for part in parts for line in part.split("\n\n")[0].splitlines() if not line.startswith("|---")]
    assert len(rows) == len(promises()) > 20


@pytest.mark.parametrize(
    ("outcomes", "result"),
    [
        ({"tests/a.py::one[x]": "passed", "tests/b.py::two": "passed"}, "held"),
        ({"tests/a.py::one[x]": "passed", "tests/a.py::one[y]": "skipped", "tests/b.py::two": "passed"}, "held"),
        ({"tests/a.py::one[x]": "passed", "tests/a.py::one[y]": "failed"}, "tests/a.py::one fails"),
        ({"tests/a.py::one": "skipped", "tests/b.py::two": "passed"}, "not tried here: tests/a.py::one is skipped"),
        ({"tests/a.py::one_more": "passed", "tests/b.py::two": "passed"}, "tests/a.py::one did not run"),
        ({"tests/a.py::one": "passed"}, "tests/b.py did not run"),
    ],
)
def test_what_came_of_a_promise(outcomes: dict[str, str], result: str) -> None:
    assert Promise("It holds.", ("tests/a.py::one", "tests/b.py")).result(outcomes) == result


def test_a_page_without_promises_has_none(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("| promise | held by |\n|---|---|\n")
    assert promises(tmp_path / "page.md") == []


def test_the_page_has_the_numbers_of_the_last_runs() -> None:
    page = re.sub(r"\s+", " ", (REPOSITORY / "docs/reliability.md").read_text())
    folder = REPOSITORY / "results/reliability"
    faults, inputs, mutants = (pd.read_csv(folder / f"{name}.csv") for name in ("faults", "fuzz", "mutants"))
    tried, noticed = mutants["tried"].sum(), mutants["killed"].sum()
    counts = inputs[["worked", "refused", "failed"]].sum()
    for sentence in (
        f"{faults['injected'].sum()} faults were injected, and {faults['survived'].sum()} survived.",
        f"{counts.sum():,} bad inputs were tried, and {counts['failed']} failed:",
        f"{noticed:,} of {tried:,} mutants were noticed ({100 * noticed / tried:.1f} %);",
    ):
        assert sentence in page
    assert mutants["surviving"].sum() == 0
