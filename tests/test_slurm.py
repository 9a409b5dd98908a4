"""The sample pipeline on a real cluster of one node."""

import os
import re
import shutil
import warnings
from pathlib import Path

import pytest
from project import REPOSITORY, smallest


@pytest.mark.skipif(os.geteuid() != 0, reason="starts munged, slurmctld and slurmd, as root")
@pytest.mark.skipif(
    not all(map(shutil.which, ("munged", "slurmctld", "slurmd"))),
    reason="Debian's slurm-wlm and munge are not installed",
)
def test_on_slurm(tmp_path: Path) -> None:
    """Requests as in dvc.yaml, a GPU among them, more memory after a failure; DVC finds nothing left to do."""
    project = smallest(tmp_path)
    graph = project.root / "dvc.yaml"
    # Fails where the first attempt leaves no mark.
    once = "test -e tried || { touch tried; exit 1; }; ${python} workflow.weights"
    graph.write_text(graph.read_text().replace("cmd: ${python} workflow.weights", f"cmd: {once}"))
    said = project.run(
        str(REPOSITORY / "tests/slurm.sh"),
        *("snakemake", "--profile", "profiles/slurm", "--latency-wait", "10"),
        *("--slurm-keep-successful-logs", "--slurm-status-command", "squeue"),
        *("--slurm-init-seconds-before-status-checks", "3"),
    )
    logs = project.root / ".snakemake/slurm_logs"
    first, second, *_ = sorted((logs / "rule_weights_sample").glob("*.log"), key=lambda path: int(path.stem))
    assert [re.findall(r"\bmem_mb=(\d+)", log.read_text())[-1] for log in (first, second)] == ["2000", "4000"]
    submitted = len(re.findall(r"has been submitted with SLURM jobid", said))
    assert submitted >= 10  # nine stages, one of them twice
    if submitted > 10:  # this machine was too busy for its cluster; the profile's retries went over it
        warnings.warn("\n\n".join([said, *(log.read_text() for log in logs.rglob("*.log"))]), stacklevel=1)
    assert project.changed() == set()
    assert project.repro() == set()
