"""Have DVC run one stage, as Snakemake's jobs do: ``python -m workflow.job STAGE``.

Others of this folder know of it for as long as DVC holds its locks, which is longer than the stage itself runs.
"""

import json
import os
import sys
from pathlib import Path

from dvc.cli import main as dvc

from workflow.running import announced

FORCED = Path("logs/snakemake/forced.json")
"""The stages that `snakemake -f`, `-F` or `-R` names: DVC is to run them though nothing changed."""


def main(stage: str) -> int:
    """DVC's exit status."""
    forced = ["--force"] if FORCED.exists() and stage in json.loads(FORCED.read_text()) else []
    # DVC looks for `python` on the path; this one has what the stages need.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    with announced(stage):
        return int(dvc(["--wait-for-lock", "repro", "--single-item", *forced, stage]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
