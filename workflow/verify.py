"""What is committed and depends on no machine, made again and compared: ``python -m workflow.verify``.

Stages run on the recorded results in a folder of their own, and nothing is written elsewhere.
"""

from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from mfaranet.errors import InputError, report_errors
from mfaranet.files import read_json, read_yaml
from mfaranet.params import load
from workflow import plan
from workflow.again import Again, Pair
from workflow.common import Paths
from workflow.differences import differences
from workflow.snapshot import commit

LINKED = ("mfaranet", "workflow", "params.yaml")
"""What plans are made of."""
SHOWN = 5
"""Differences of a file that are named one by one."""
Kind = Callable[[], Iterator[Pair]]


def main() -> None:
    """Compare everything, print a line for each kind and each difference, and end with status 1 if there is one."""
    params, here, records = load(), Path.cwd(), _records(Path("dvc.lock"))
    found = sorted(path.parent.name for path in Path("results").glob("*/tables"))
    current = [name for name in found if Paths(name).sources in records]
    if not current:
        raise InputError("dvc.lock has no run of any data set in results/; `dvc repro` makes those of params.yaml")
    for name in sorted(set(found).difference(current)):
        _leave_out(Paths(name).results, f"; code of {_commits(name)} wrote it")
    commit()  # of this folder, and remembered
    with TemporaryDirectory() as folder, chdir(folder):
        for name in LINKED:
            Path(name).symlink_to(here / name)
        chosen = params.run.model_copy(update={"datasets": current})
        plan.write(params.model_copy(update={"run": chosen}))
        wrong = sum(_verify(Again(name, params, here, records)) for name in current)
    if wrong:
        raise InputError(
            "what is stored is not what this code makes of params.yaml and the recorded results; "
            "`python -m workflow.changes` names what is stale, and `dvc repro` makes it anew"
        )


def _records(lock: Path) -> set[Path]:
    """The files and folders that DVC knows a run of."""
    if not lock.exists():
        raise InputError(f"{lock} is not in {Path.cwd()}; start this in the root of the repository, after `dvc repro`")
    return {Path(out["path"]) for stage in read_yaml(lock)["stages"].values() for out in stage["outs"]}


def _leave_out(path: Path, why: str = "") -> None:
    typer.echo(f"{path}: not compared: dvc.lock has no run of it{why}")


def _commits(dataset: str) -> str:
    """Which code wrote the results of a data set."""
    runs = Paths(dataset).results.rglob("run.json")
    return ", ".join(sorted({read_json(path)["commit"][:7] for path in runs}))


def _verify(again: Again) -> int:
    """How many files of a data set differ."""
    kinds: list[Kind] = [again.summary, again.tables]
    if again.has_images:
        kinds += [again.data, again.scores, again.figures, again.report, again.complexity]
    else:
        typer.echo(f"{again.dataset}: summary and tables alone are compared: {again.paths.data} is not here")
    if again.drawn:
        kinds.append(again.training)
    wrong = sum(_tell(f"{again.dataset}, {kind.__name__}", kind) for kind in kinds)
    for path in sorted(again.left_out):
        _leave_out(path)
    return wrong


def _tell(kind: str, make: Kind) -> int:
    """Print how many values were compared and which differ; in how many files."""
    try:
        pairs = list(make())
    except (KeyError, OSError, ValueError) as error:  # what is stored may be damaged in any way
        typer.echo(f"{kind}: cannot be made again ({type(error).__name__}: {error})")
        return 1
    every = {file: differences(stored, made, drawn=file.endswith(".pdf")) for file, stored, made in pairs}
    compared = sum(len({**stored, **made}) for _, stored, made in pairs)
    files = f"{len(pairs)} file{'' if len(pairs) == 1 else 's'}"
    typer.echo(f"{kind}: {compared} values of {files} compared, {sum(map(len, every.values()))} differ")
    for file, found in every.items():
        for each in found[:SHOWN]:
            typer.echo(f"  {file}, {each}")
        if len(found) > SHOWN:
            typer.echo(f"  {file}: and {len(found) - SHOWN} more")
    return sum(map(bool, every.values()))


if __name__ == "__main__":
    report_errors(lambda: typer.run(main))
