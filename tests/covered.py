"""Which branches the tests took, those of programs that they start too, by folder. Part of `make record`."""

import json
import sys
from pathlib import Path

import pandas as pd

from tests.recorded import record

REPORT = Path("logs/coverage/report.json")
LEAST = 92
"""Percent of all branches."""


def by_folder(files: dict[str, dict[str, int]]) -> pd.DataFrame:
    """Counts of coverage's summaries of files, summed by folder, and of all."""
    rows = pd.DataFrame(
        {
            "folder": "/".join(Path(name).parts[:2]) if len(Path(name).parts) > 2 else Path(name).parts[0],
            "statements": each["num_statements"],
            "not run": each["missing_lines"],
            "branches": each["num_branches"],
            "not taken": each["missing_branches"],
        }
        for name, each in files.items()
    )
    table = rows.groupby("folder", as_index=False).sum()
    table.loc[len(table)] = ["all", *table.iloc[:, 1:].sum()]
    return table.assign(**{"branches (%)": (100 - 100 * table["not taken"] / table["branches"]).round(1)})


def main() -> None:
    """Print and record the table, and fail where too few branches are taken."""
    table = by_folder({name: each["summary"] for name, each in json.loads(REPORT.read_text())["files"].items()})
    print(table.to_string(index=False))
    record("coverage", table)
    if table["branches (%)"].iloc[-1] < LEAST:
        sys.exit(f"error: the tests take fewer than {LEAST} % of branches; `coverage report` names the others")


if __name__ == "__main__":
    main()
