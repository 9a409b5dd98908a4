"""The table of branches that tests take."""

import json
from pathlib import Path

import pytest

from tests import covered


def summary(branches: int, missing: int) -> dict[str, int]:
    return {"num_statements": 9, "missing_lines": 1, "num_branches": branches, "missing_branches": missing}


def test_files_are_summed_by_folder() -> None:
    files = {
        "mfaranet/files.py": summary(4, 0),
        "mfaranet/tables/cells.py": summary(6, 1),
        "mfaranet/tables/cost.py": summary(4, 1),
        "mfaranet/models/comparators/enet.py": summary(2, 0),
    }
    table = covered.by_folder(files).set_index("folder")
    assert table["branches"].to_dict() == {"mfaranet": 4, "mfaranet/models": 2, "mfaranet/tables": 10, "all": 16}
    assert table["branches (%)"].to_dict() == {
        "mfaranet": 100,
        "mfaranet/models": 100,
        "mfaranet/tables": 80,
        "all": 87.5,
    }
    assert table.loc["all", ["statements", "not run"]].tolist() == [36, 4]


@pytest.mark.parametrize(("missing", "fails"), [(8, False), (9, True)])
def test_too_few_branches_fail(missing: int, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"workflow/plan.py": {"summary": summary(100, missing)}}
    (tmp_path / "report.json").write_text(json.dumps({"files": files}))
    recorded = []
    monkeypatch.setattr(covered, "REPORT", tmp_path / "report.json")
    monkeypatch.setattr(covered, "record", lambda *table: recorded.append(table))
    if fails:
        with pytest.raises(SystemExit, match="fewer than 92 % of branches"):
            covered.main()
    else:
        covered.main()
    assert len(recorded) == 1
