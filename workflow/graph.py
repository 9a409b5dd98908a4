"""The graph of dvc.yaml as Snakemake needs it. What is private in DVC is used here and nowhere else."""

import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx
from dvc.exceptions import DvcException, ReproductionError
from dvc.lock import LockError
from dvc.repo import Repo

from mfaranet.errors import InputError
from workflow.planned import Planned
from workflow.running import refuse_while_running

PLAN = "plan"
CHECK = "check"
ORDER = (CHECK, "decode")
"""The stages that others only come after. What these see of them changes with the data alone, so none runs again."""
DEFAULTS = {"threads": 1, "gpus": 0, "mem_mb": 2000, "runtime": 60}


@dataclass(frozen=True)
class Stage:
    """A stage of DVC, resolved: one element of a matrix, its templates filled in."""

    name: str
    upstream: list[str]
    above: frozenset[str]  # those that it depends on, directly or not
    inputs: list[str]
    outputs: list[str]
    plots: list[str]  # those of them that `dvc plots` shows
    meta: dict[str, int]
    reasons: list[str]  # why DVC calls it changed, such as "data/sample: modified"
    changed: bool  # by what DVC says, or below such a stage

    @property
    def kind(self) -> str:
        """The stage of dvc.yaml."""
        return _kind(self.name)

    @property
    def items(self) -> list[str]:
        """The element of its matrix: the data set, and the name of what is made of it."""
        return self.name.partition("@")[2].split("-", 1)

    @property
    def rule(self) -> str:
        """The name as Snakemake takes it: without @ and -."""
        return re.sub(r"\W", "_", self.name)

    def runs(self, forced: set[str]) -> bool:
        """Whether it, or what it depends on, changed or is forced."""
        return self.changed or self.name in forced or not self.above.isdisjoint(forced)

    @property
    def directories(self) -> list[str]:
        """Outputs without a suffix: DVC does not know what an output is before it has seen it."""
        return [path for path in self.outputs if not Path(path).suffix]

    def memory(self, wildcards: Any, attempt: int) -> int:
        """Megabytes, more with each attempt."""
        return self.meta["mem_mb"] * attempt

    @property
    def cpus(self) -> int:
        """Processors: those of the processes that load images as well."""
        return self.meta.get("cpus", self.meta["threads"])


def read(root: str = ".", status: bool = True) -> list[Stage]:
    """All stages, the plan brought up to date; with ``status`` false none counts as changed, and DVC is not asked.

    Raises:
        InputError: stages of this folder are running somewhere, which DVC's status could spoil; or params.yaml,
            dvc.yaml or dvc.lock is bad.
    """
    if status:
        refuse_while_running()
    try:
        with Repo(root) as repo:
            if status:
                _make_plan(repo)
            graph = repo.index.graph  # from a stage to those that it depends on
            changed = repo.status() if status else {}
            return [_read_stage(stage, graph, changed) for stage in graph]
    except LockError as error:
        raise InputError(f"{error}; wait for the other's end, or stop it") from None
    except DvcException as error:
        raise InputError(f"{error}; `mfaranet doctor` names the file and how to mend it") from None


def inputs(stage: Stage, targets: Sequence[Stage]) -> list[str]:
    """What a stage needs where some alone are asked for: the summary, no more than the tables among them show."""
    if stage.kind != "summary" or {each.kind for each in targets} != {"tables"}:
        return stage.inputs
    (dataset,) = stage.items
    needed = {Planned.read("summary", dataset).settings["shown"]["measurement"]}
    for target in targets:
        of, table = target.items
        if of == dataset:
            settings = Planned.read("tables", dataset, table).settings
            needed |= {*settings["experiments"], settings["table"].get("measurement")}
    chosen = [Path("results", dataset, folder) for folder in ("evaluate", "latency")]
    return [path for path in stage.inputs if Path(path).parent not in chosen or Path(path).name in needed]


def bring_to_now(stages: Iterable[Stage]) -> None:
    """Give what is later than now, by a clock that was set back, the time of now.

    Snakemake would take what is stale for new, and refuse outputs that are older than inputs; DVC compares contents.
    """
    paths = {Path(path) for stage in stages for path in (*stage.inputs, *stage.outputs)}
    now = time.time()
    for path in [each for one in paths for each in (one, one / ".snakemake_timestamp") if each.exists()]:
        if path.stat().st_mtime > now:
            os.utime(path)


def asked(stages: list[Stage], targets: Iterable[str]) -> list[Stage]:
    """The stages that Snakemake's targets name: rules or outputs."""
    names = set(targets)
    return [stage for stage in stages if names & {stage.rule, *stage.outputs}]


def _make_plan(repo: Repo) -> None:
    try:
        repo.reproduce(PLAN, single_item=True)
    except ReproductionError as error:  # the stage has said why
        raise InputError(str(error)) from None


def forced(stages: list[Stage], settings: Any) -> set[str]:
    """The stages that `snakemake -f`, `-F` or `-R` names; ``settings`` are Snakemake's of its graph."""
    names = {*settings.forcerun, *(settings.targets if settings.forcetargets else ())}
    return {stage.name for stage in (stages if settings.forceall else asked(stages, names))}


def _read_stage(stage: Any, graph: networkx.DiGraph, changed: Mapping[str, list[Any]]) -> Stage:
    upstream = list(graph.successors(stage))
    above = frozenset(each.addressing for each in networkx.descendants(graph, stage))
    made = [out.def_path for each in upstream for out in each.outs]
    inputs: list[str] = []
    for dependency in stage.deps:  # a folder stands for the outputs in it, a file in one for the folder
        inputs += [path for path in made if _overlap(path, dependency.def_path)] or [dependency.def_path]
    return Stage(
        name=stage.addressing,
        upstream=[each.addressing for each in upstream],
        above=above,
        inputs=list(dict.fromkeys(inputs)),
        outputs=[out.def_path for out in stage.outs],
        plots=[out.def_path for out in stage.outs if out.plot],
        meta={**DEFAULTS, **(stage.meta or {})},
        reasons=[text for entry in changed.get(stage.addressing, []) for text in _reasons(entry)],
        changed=stage.addressing in changed or any(_kind(name) not in ORDER for name in above & changed.keys()),
    )


def _kind(name: str) -> str:
    return name.partition("@")[0]


def _reasons(entry: str | dict[str, dict[str, str]]) -> list[str]:
    """One entry of DVC's status, a line for each path."""
    if isinstance(entry, str):
        return [entry]
    return [f"{path}: {how}" for paths in entry.values() for path, how in paths.items()]


def _overlap(one: str, other: str) -> bool:
    """Whether both are the same, or one lies in the other."""
    first, second = Path(one), Path(other)
    return first == second or first in second.parents or second in first.parents
