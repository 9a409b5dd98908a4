"""The graph of dvc.yaml as Snakemake needs it. What is private in DVC is used here and nowhere else."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

DEFAULTS = {"threads": 1, "gpus": 0, "mem_mb": 2000, "runtime": 60}


@dataclass(frozen=True)
class Stage:
    """A stage of DVC, resolved: one element of a matrix, its templates filled in."""

    name: str
    upstream: list[str]
    inputs: list[str]
    outputs: list[str]
    params: list[str]  # their names: DVC compares the values
    meta: dict[str, int]
    changed: bool  # by what DVC says, or below such a stage

    @property
    def rule(self) -> str:
        """The name as Snakemake takes it: without @ and -."""
        return re.sub(r"\W", "_", self.name)

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
    """All stages; with ``status`` false none counts as changed, and DVC is not asked."""
    with Repo(root) as repo:
        graph = repo.index.graph  # from a stage to those that it depends on
        stages = {stage.addressing: stage for stage in graph}
        changed = set(repo.status()) if status else set()
        below = {each.addressing for name in changed for each in networkx.ancestors(graph, stages[name])}
        return [
            _read_stage(stage, list(graph.successors(stage)), name in changed | below) for name, stage in stages.items()
        ]


def _read_stage(stage: Any, upstream: list[Any], changed: bool) -> Stage:
    made = [out.def_path for each in upstream for out in each.outs]
    inputs: list[str] = []
    params: list[str] = []
    for dependency in stage.deps:
        if isinstance(dependency, ParamsDependency):
            inputs.append(dependency.def_path)
            params += dependency.params
        else:  # a folder stands for the outputs in it
            inputs += [path for path in made if _overlap(path, dependency.def_path)] or [dependency.def_path]
    return Stage(
        name=stage.addressing,
        upstream=[each.addressing for each in upstream],
        inputs=list(dict.fromkeys(inputs)),
        outputs=[out.def_path for out in stage.outs],
        params=params,
        meta={**DEFAULTS, **(stage.meta or {})},
        changed=changed,
    )


def _overlap(one: str, other: str) -> bool:
    """Whether both are the same, or one lies in the other."""
    first, second = Path(one), Path(other)
    return first == second or first in second.parents or second in first.parents
