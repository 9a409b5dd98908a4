"""The promises of docs/reliability.md, and what came of the tests that hold them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs/reliability.md"


HELD = "held"
SKIPPED = "not tried here"


@dataclass(frozen=True)
class Promise:
    """A row of a table there."""

    text: str
    tests: tuple[str, ...]
    """Files of tests, or functions in them, as in "tests/test_x.py::test_y"."""

    def result(self, outcomes: Mapping[str, str]) -> str:
        """Of outcomes by the names of test functions, with their parameters: HELD, SKIPPED and which, or what is wrong.

        One of several cases that ran is enough.
        """
        for test in self.tests:
            found = {
                outcome
                for name, outcome in outcomes.items()
                if name == test or name.startswith((f"{test}::", f"{test}["))
            }
            if "failed" in found:
                return f"{test} fails"
            if not found:
                return f"{test} did not run"
            if found == {"skipped"}:
                return f"{SKIPPED}: {test} is skipped"
        return HELD


def promises(page: Path = PAGE) -> list[Promise]:
    """All of the page."""
    rows = re.findall(r"^\| (.+?) \| (`tests/.+?) \|$", page.read_text(), re.MULTILINE)
    return [Promise(text, tuple(re.findall(r"`([^`]+)`", tests))) for text, tests in rows]
