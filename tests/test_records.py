"""What earlier versions stored is read, or refused with the version named (docs/reliability.md has the policy)."""

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from mfaranet.deployment import sessions
from mfaranet.errors import InputError
from mfaranet.files import read_json, write_json
from mfaranet.report.stored import StoredTable
from mfaranet.tables.cells import trace
from mfaranet.weights import checkpoints
from tests.records import FINGERPRINT, FOLDER, logits, register, run

VERSIONS = sorted(path for path in FOLDER.iterdir() if (path / "table.json").exists())
every_version = pytest.mark.parametrize("kept", VERSIONS, ids=lambda path: path.name)


def test_there_is_one_of_this_version() -> None:
    """`python -m tests.records` makes it."""
    assert version("mfaranet") in [path.name for path in VERSIONS]


@every_version
def test_a_checkpoint_gives_the_logits_that_it_gave(kept: Path) -> None:
    register()
    assert logits(kept / "last.safetensors") == pytest.approx(json.loads((kept / "logits.json").read_text()), abs=1e-5)


@every_version
def test_a_stopped_training_goes_on(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(kept / "states", tmp_path / "states")
    run(tmp_path, tmp_path / "states", FINGERPRINT)
    assert "going on after epoch 1, from" in capsys.readouterr().err
    _, facts = checkpoints.read(tmp_path / "train/last.safetensors")
    assert facts["epoch"] == 2


@every_version
@pytest.mark.parametrize("named", [True, False])
def test_states_of_another_training_stay_with_their_version(
    kept: Path, named: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code of a later version makes it another one. What is older than the first version does not name its own."""
    shutil.copytree(kept / "states", tmp_path / "states")
    (record,) = (tmp_path / "states").glob("*/fingerprint.json")
    if not named:
        write_json(record, {key: value for key, value in read_json(record).items() if key != "mfaranet"})
    run(tmp_path, tmp_path / "states", {**FINGERPRINT, "code": "of a later version"})
    writer = kept.name if named else "of an earlier version"
    assert f"stays; it is of another training, not with the same code (mfaranet {writer})\n" in capsys.readouterr().err
    assert list(record.parent.glob("epoch_0001.pt"))


@every_version
def test_a_table_is_shown_and_traced(kept: Path) -> None:
    table = StoredTable.read(kept / "table.json")
    assert (table.title, table.narrow, table.notes) == ("Accuracy", ["Network", "mIoU (%)"], ["A note."])
    ((labels, cell),) = trace(kept / "table.md", "mfaranet", "mIoU")
    assert (labels, cell.value, cell.text) == (["MFARANet"], 31.5972, "31.6")
    assert cell.origin
    assert cell.origin["pointer"] == "/full_image/miou"


@pytest.mark.parametrize("found", [2, "1.0"])
def test_files_of_a_later_version_are_refused(found: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = VERSIONS[-1]
    known = f"mfaranet {version('mfaranet')} reads up to 1: install the version that wrote it"
    said = rf"{tmp_path}/\w+\.\w+ has format {found!r}, and {known}"
    content = json.loads((kept / "table.json").read_text())
    (tmp_path / "table.json").write_text(json.dumps({**content, "format": found}))
    for read in (lambda path: trace(path, "mfaranet", "mIoU"), StoredTable.read):
        with pytest.raises(InputError, match=said):
            read(tmp_path / "table.json")
    register()
    model, facts = checkpoints.load_trained(kept / "last.safetensors")
    checkpoints.save(model, tmp_path / "last.safetensors", {**facts, "format": found})
    with pytest.raises(InputError, match=said):
        checkpoints.load_trained(tmp_path / "last.safetensors")
    monkeypatch.setattr(sessions, "_onnx_facts", lambda _: json.dumps({"format": found}))
    with pytest.raises(InputError, match=said):
        sessions.read_facts(tmp_path / "last.onnx")


def test_what_is_older_than_the_first_version_has_no_format(tmp_path: Path) -> None:
    kept = VERSIONS[0]
    content = json.loads((kept / "table.json").read_text())
    for key in ("format", "narrow", "headers", "same"):
        del content[key]
    (tmp_path / "table.json").write_text(json.dumps(content))
    assert StoredTable.read(tmp_path / "table.json").narrow == content["columns"]
    ((_, cell),) = trace(tmp_path / "table.json", "mfaranet", "mIoU (%)")
    assert cell.value == 31.5972
