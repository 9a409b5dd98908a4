"""What would run, and why: ``python -m workflow.changes``. It makes the plan anew and runs nothing else."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from mfaranet.errors import report_errors
from mfaranet.files import read_json, read_yaml
from workflow.graph import ORDER, read
from workflow.planned import FOLDER


def main() -> None:
    """Name the stages that `dvc repro` would run, each with what is new in its settings, code and data."""
    stages = [stage for stage in read() if stage.changed]
    changed = {stage.name for stage in stages if stage.kind not in ORDER}
    for stage in stages:
        typer.secho(stage.name, bold=True)
        for line in stage.reasons or [f"after {', '.join(sorted(changed.intersection(stage.upstream)))}"]:
            plan = Path(line.split(": ")[0])
            for text in _differences(plan) if FOLDER in plan.parents else [line]:
                typer.echo(f"  {text}")
    if not stages:
        typer.echo("nothing would run")


def _differences(plan: Path) -> list[str]:
    """What is new in a plan, as far as the results say what the last run used."""
    recorded = _recorded(plan)
    if recorded is None or not plan.exists():
        return [f"{plan}: new, or nothing is recorded of the last run"]
    before, now = dict(_leaves(recorded)), dict(_leaves(read_yaml(plan)))
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    settings = [key for key in keys if key[0] == "settings" and key[-1] != "code"]
    code = [key[-1] for key in keys if key[0] == "code"]
    lines = [f"{'.'.join(key[1:])}: {before.get(key)} -> {now.get(key)}" for key in settings]
    return [*lines, f"code: {', '.join(code)}"] if code else lines


def _recorded(plan: Path) -> Any:
    """The plan of the last run, from the description that lies with its results; None where there is none."""
    parts = plan.relative_to(FOLDER).with_suffix("").parts
    if len(parts) < 2:
        return None  # of the stage check
    dataset, stage, *names = parts
    name = names[0] if names else ""
    results = Path("results", dataset)
    trained = {"train": name, "prune": f"{name}_pruned"}
    path = results / ("evaluate" if stage in trained else stage) / trained.get(stage, name) / "run.json"
    if not path.exists():
        return None
    run = read_json(path)
    return (run["training"] if stage in trained else run).get("plan")


def _leaves(content: Any, key: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _leaves(value, (*key, name))
    else:
        yield key, content


if __name__ == "__main__":
    report_errors(lambda: typer.run(main))
