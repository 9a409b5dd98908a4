# The graph of dvc.yaml for Snakemake: `snakemake -j2`, or with a profile of workflow/profiles. Each rule has DVC run its
# stage, so dvc.lock stays the one record, and either engine goes on where the other stopped.
import json
import shutil
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")
sys.path.insert(0, str(workflow.basedir))
from mfaranet.errors import InputError
from workflow.graph import asked, bring_to_now, forced, inputs, read
from workflow.job import FORCED

# A job on a cluster node gets its stage from the main process, which alone asks DVC what changed.
try:
    stages = read(status=workflow.is_main_process)
except InputError as error:
    raise WorkflowError(str(error))

# DVC compares contents, so it decides what runs: the stages that it calls changed, and those below them, get an input that
# is newer than any output. The inputs of the others are ancient(), and profiles/default turns off Snakemake's records:
# times and records know nothing of `dvc repro`, `dvc checkout` or an edit by hand.
newer = Path("logs/snakemake/newer")
if workflow.is_main_process:
    bring_to_now(stages)
    newer.parent.mkdir(parents=True, exist_ok=True)
    # No two alike: Snakemake compares small files by content.
    newer.write_text(str(time.time_ns()))


# Copies of outputs that a killed run was replacing would stop this one; DVC has the originals.
onstart:
    shutil.rmtree(".snakemake/backups", ignore_errors=True)
    FORCED.write_text(json.dumps(sorted(forced(stages, workflow.dag_settings))))


def needed(stage):
    """The inputs of a rule: asked when the graph is built, as what is forced and asked for is known only then."""
    if not workflow.is_main_process:  # every job is forced, and was given what it needs
        return [path for path in stage.inputs if Path(path).exists()]
    paths = inputs(stage, asked(stages, workflow.dag_settings.targets))
    if stage.runs(forced(stages, workflow.dag_settings)):
        return [*paths, newer]
    return [ancient(path) for path in paths]


def shown(stage, output):
    """An output, marked for `snakemake --report` where `dvc plots` shows it; of a folder the PNGs."""
    if output not in stage.plots:
        return output
    folder = {"patterns": ["{figure}.png"]} if output in stage.directories else {}
    return report(output, category=stage.kind, subcategory=stage.items[0], **folder)


rule all:
    input:
        [stage.outputs for stage in stages],


for stage in stages:

    rule:
        name:
            stage.rule
        input:
            lambda wildcards, stage=stage: needed(stage),
        output:
            # update: where the inputs come out as they were, DVC skips the stage, for which its outputs must still be there.
            [update(shown(stage, directory(path) if path in stage.directories else path)) for path in stage.outputs],
        log:
            output=f"logs/snakemake/{stage.rule}.log",
            benchmark=f"logs/snakemake/{stage.rule}.benchmark.tsv",
        threads: stage.meta["threads"]
        resources:
            gpus=stage.meta["gpus"],
            gpu=stage.meta["gpus"],  # this and the next two: as the Slurm plugin calls them
            nodes=1,
            cpus_per_task=stage.cpus,
            mem_mb=stage.memory,
            runtime=stage.meta["runtime"],
        params:
            stage=stage.name,
            python=sys.executable,
        shell:
            # Snakemake's own benchmark reads the memory map of every process twice a second: 5 % of the sample pipeline,
            # and no rest for what latency times.
            "export OMP_NUM_THREADS={threads} TIMEFORMAT=$'s\\tuser\\tsystem\\n%R\\t%U\\t%S';"
            " export MFARANET_GPUS={resources.gpus};"
            " {{ time {params.python:q} -m workflow.job {params.stage:q} > {log.output} 2>&1; }} 2> {log.benchmark}"
