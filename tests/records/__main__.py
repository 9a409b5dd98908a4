"""What this version stores, kept for the tests of later ones: ``python -m tests.records``, once, before a release.

Writes tests/records/<version>/, which nobody changes afterwards: a checkpoint with some of its logits, the state of a
training that was stopped in its second epoch, and a table.
"""

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from mfaranet.tables.cells import Cell, Table
from mfaranet.training import loop
from tests.records import FINGERPRINT, FOLDER, logits, register, run


def main() -> None:
    """Write the folder, which must not be there."""
    kept = FOLDER / version("mfaranet")
    kept.mkdir()
    register()
    epochs = iter([loop._train_epoch])
    with TemporaryDirectory() as folder, patch.object(loop, "_train_epoch", lambda *each: next(epochs)(*each)):
        try:
            run(Path(folder), kept / "states", FINGERPRINT)
        except StopIteration:  # in the second epoch
            shutil.copy(f"{folder}/train/last.safetensors", kept)
            (kept / "states.lock").unlink()
    (kept / "logits.json").write_text(json.dumps(logits(kept / "last.safetensors")) + "\n")
    origin = {"file": "results/sample/evaluate/base/metrics.json", "pointer": "/full_image/miou", "scale": 100}
    row = [Cell("mfaranet", "MFARANet", None), Cell(31.5972, "31.6", origin)]
    narrow = {"Network": "Network", "mIoU (%)": "mIoU"}
    Table("Accuracy", ["Network", "mIoU (%)"], [row], ["A note."], narrow).write(kept / "table")


if __name__ == "__main__":
    main()
