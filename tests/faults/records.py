"""dvc.lock and params.yaml cut in the middle, with merge markers, of another version, or no text at all.

A cut at the end of a line may leave a dvc.lock that is valid: DVC then runs again what it has lost. Any other is
refused by both engines, and `mfaranet doctor` says how to mend it; nothing is removed. A training whose record
is lost is recorded again by `dvc commit --force`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from random import Random

import yaml

from tests.faults.engine import ENGINES, refused, run
from tests.faults.trial import STAGES, Fault, Room, content, mend
from tests.project import Project

_CUTS = 6
_NAMED = {"dvc.lock": "dvc.lock", "params.yaml": ".yaml"}
"""What messages name: of a setting that is not there, DVC names dvc.yaml, which asks for it."""


def cut(text: str, rng: Random) -> str:
    """Within a word, so that what is left is not valid but by chance."""
    return text[: rng.randrange(1, len(text) - 1)]


def markers(text: str, rng: Random) -> str:
    """As git leaves a merge of two branches that changed the same lines."""
    lines = text.splitlines(keepends=True)
    start = rng.randrange(1, len(lines) - 3)
    ours, theirs = lines[start : start + 3], [line.replace("a", "b") for line in lines[start : start + 3]]
    merged = ["<<<<<<< HEAD\n", *ours, "=======\n", *theirs, ">>>>>>> other\n"]
    return "".join([*lines[:start], *merged, *lines[start + 3 :]])


def version(text: str, rng: Random) -> str:
    """Of a DVC that is not there yet."""
    assert "schema: '2.0'" in text
    return text.replace("schema: '2.0'", "schema: '3.0'")


def empty(text: str, rng: Random) -> str:
    """As a power cut leaves a file that was open."""
    return ""


def zeros(text: str, rng: Random) -> str:
    """As a disk that failed leaves it."""
    start = rng.randrange(len(text))
    return text[:start] + "\0" * (len(text) - start)


def faults() -> Iterator[Fault]:
    """Each damage of each file."""
    for name in _NAMED:
        for number in range(1, _CUTS + 1):
            yield Fault(f"{name} cut, {number}", partial(damage, name=name, change=cut))
        for change in (markers, empty, zeros):
            yield Fault(f"{name} with {change.__name__}", partial(damage, name=name, change=change))
    yield Fault("dvc.lock of another version", partial(damage, name="dvc.lock", change=version))
    yield Fault("dvc.lock older than a training", lose_a_record)


def damage(room: Room, name: str, change: Callable[[str, Random], str]) -> None:
    """Both engines and the doctor refuse it and remove nothing, or it is valid and nothing but time is lost."""
    project = room.finished()
    path = project.root / name
    project.run("git", "add", name)
    path.write_text(change(path.read_text(), room.rng))
    before = content(project.root)
    status = project.ran("dvc", "status")
    if status.returncode or not _valid(project):
        refused(project, "dvc", "repro", names=_NAMED[name])
        refused(project, "snakemake", "-n", names=_NAMED[name])
        # DVC removes the plan before it makes it anew.
        assert {key: value for key, value in before.items() if not key.startswith("plan/")}.items() <= content(
            project.root
        ).items()
        mend(project, name)
    run(project, room.rng.choice([*ENGINES]))
    room.assert_same(project)


def _valid(project: Project) -> bool:
    """Whether it is one of our params.yaml, which DVC does not know."""
    return project.ran("mfaranet", "params").returncode == 0


def lose_a_record(room: Room) -> None:
    """Bring back a dvc.lock from before a training: with `dvc commit` it is not trained again."""
    project = room.finished()
    path = project.root / "dvc.lock"
    lock = yaml.safe_load(path.read_text())
    for stage in ("train", "evaluate", "summary", "tables"):
        del lock["stages"][STAGES[stage]]
    path.write_text(yaml.safe_dump(lock, sort_keys=False))
    project.run("dvc", "commit", "--force", STAGES["train"])
    assert f"Running stage '{STAGES['train']}'" not in run(project, "dvc")
    room.assert_same(project)
