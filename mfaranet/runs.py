"""The trainings of this folder by their names: the sample's base is in runs/sample/train/base/."""

from pathlib import Path

from mfaranet.errors import InputError

_BEST_FIRST = ("best.safetensors", "last.safetensors")
_SHOWN = 20


def checkpoint_of(source: str | Path) -> Path:
    """The checkpoint that a user means: a file, or a training by its folder or its name, as sample/base; its best.

    Raises:
        InputError: there is no such training; the message lists those that there are.
    """
    path = Path(source)
    if path.is_file() or path.suffix == ".safetensors":
        return path  # who reads a missing one says what lies beside it
    parts = path.parts
    folders = [path, run_folder(*parts)] if len(parts) == 2 else [path]
    found = next((folder / name for folder in folders for name in _BEST_FIRST if (folder / name).is_file()), None)
    if found:
        return found
    raise InputError(f"{source} does not exist, as a checkpoint or as a training; {_there(list_runs())}")


def offered_runs(first: str | None) -> list[str]:
    """What can be chosen from: the one that a user names, then all trainings.

    Raises:
        InputError: there is none.
    """
    names = list_runs()
    if not first and not names:
        raise InputError(f"no checkpoint is named, and {_there(names)}")
    return list(dict.fromkeys([first, *names] if first else names))


def _there(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return (
        f"the trainings in {Path('runs').absolute()} are: {shown}"
        if names
        else f"in {Path('runs').absolute()} is no training: `dvc repro` makes some, `dvc pull` fetches a colleague's"
    )


def list_runs() -> list[str]:
    """The names of all trainings that have a checkpoint, as sample/base, sorted."""
    files = [path for name in _BEST_FIRST for path in Path().glob(str(run_folder("*", "*") / name))]
    return sorted({f"{path.parts[1]}/{path.parts[3]}" for path in files})


def run_folder(dataset: str, experiment: str) -> Path:
    """Where the stage train leaves its checkpoints."""
    return Path("runs", dataset, "train", experiment)


def predictions_folder(dataset: str, experiment: str) -> Path:
    """Where the stage evaluate leaves its label maps, in a folder for each protocol."""
    return Path("runs", dataset, "evaluate", experiment)
