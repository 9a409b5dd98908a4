"""Every command that a page says can be given as it stands there, and those that only look run."""

import importlib.util
import itertools
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from documented import PAGES, REPOSITORY, blocks, commands, mentions
from dvc.cli import parse_args as parse_dvc
from dvc.utils.hydra import apply_overrides
from PIL import Image
from pip._internal.commands import create_command
from project import Project, finished
from snakemake.cli import parse_args as parse_snakemake
from test_outputs import film
from torch.distributed.run import get_args_parser
from typer.testing import CliRunner

from mfaranet.cli import app
from mfaranet.params import load

UNCHECKED = {
    "cat": "tests/test_own_data.py runs it",
    "chmod": "tests/faults/cache.py runs it",
    "find": "tests/faults/cache.py runs it",
    "sha256sum": "of coreutils; tests/test_data.py has such a file",
    "srun": "of Slurm, which is not installed everywhere",
    "trtexec": "of TensorRT, which needs an NVIDIA GPU",
}
"""Programs of which nothing is looked at here, each with the reason."""

LOOKS = (
    "mfaranet complexity ",
    "mfaranet models",
    "mfaranet params sample ",
    "mfaranet report sample --output ",
    "mfaranet trace ",
)
"""What needs no run of one's own: settings, and the results that git has."""

LOOKS_AT_A_RUN = (
    "dvc exp show",
    "dvc metrics ",
    "dvc params ",
    "dvc plots ",
    "dvc repro --dry",
    "dvc repro tables@sample-overall",
    "dvc repro train@sample-base",
    "mfaranet doctor",
    "python -m workflow.changes",
    "snakemake -j2 results",
    "snakemake -n",
)
"""What people can give after a run, to see what it left; nothing is left to do."""


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)


def is_name(*words: str) -> bool:
    """Whether a page names a command there and does not give it, so that it may lack arguments."""
    return len(words) == 2 and words not in IN_BLOCKS


def of_mfaranet(words: list[str], _: Path) -> None:
    group: Any = typer.main.get_command(app)
    if words[0].startswith("-"):
        assert words[0] in {name for option in group.params for name in option.opts}
        return
    name, command, rest = group.resolve_command(group.context_class(group), words)
    command.make_context(name, rest, resilient_parsing=is_name("mfaranet", *words))


def of_dvc(words: list[str], scratch: Path) -> None:
    if is_name("dvc", *words):
        with pytest.raises(SystemExit):
            parse_dvc([*words, "--help"])
        return
    arguments = parse_dvc(words)
    changed = getattr(arguments, "set_param", None)
    stages = selected(changed, scratch) if changed else defined()
    names = {*stages, *(name.partition("@")[0] for name in stages), *itertools.chain(*stages.values())}
    assert set(getattr(arguments, "targets", None) or ()) <= names


def of_snakemake(words: list[str], _: Path) -> None:
    _, arguments = parse_snakemake(words)
    rules = {re.sub(r"\W", "_", name) for name in defined()}
    assert set(arguments.targets) <= {*rules, *itertools.chain(*defined().values())}


def of_python(words: list[str], scratch: Path) -> None:
    option, module, *rest = words
    assert option == "-m"
    found = importlib.util.find_spec(module)
    assert found
    if found.submodule_search_locations:
        assert importlib.util.find_spec(f"{module}.__main__")
    if rest and module == "mfaranet":
        of_mfaranet(rest, scratch)
    elif rest:
        assert f"{module.removeprefix('workflow.')}@{'-'.join(rest)}" in defined()


def of_torchrun(words: list[str], scratch: Path) -> None:
    arguments = get_args_parser().parse_args([word for word in words if word != "..."])
    assert arguments.module
    of_python(["-m", arguments.training_script, *arguments.training_script_args], scratch)


def of_make(words: list[str], _: Path) -> None:
    subprocess.run(["make", "--dry-run", "--assume-old=.venv/.ready", *words], check=True, capture_output=True)


def of_pip(words: list[str], _: Path) -> None:
    options, requirements = create_command(words[0]).parse_args(words[1:])
    extras = re.findall(r"\[(\w+)\]", " ".join([*requirements, *options.editables]))
    assert set(extras) <= tomllib.loads(Path("pyproject.toml").read_text())["project"]["optional-dependencies"].keys()


def of_git(words: list[str], _: Path) -> None:
    assert words[0] in subprocess.check_output(["git", "--list-cmds=main"], text=True).split()


def of_export(words: list[str], _: Path) -> None:
    assert f"${words[0].partition('=')[0]}" in Path("params.yaml").read_text()


PROGRAMS: dict[str, Callable[[list[str], Path], None]] = {
    "dvc": of_dvc,
    "export": of_export,
    "git": of_git,
    "make": of_make,
    "mfaranet": of_mfaranet,
    "pip": of_pip,
    "python": of_python,
    "snakemake": of_snakemake,
    "torchrun": of_torchrun,
}
NAMES = PROGRAMS.keys() | UNCHECKED.keys()
IN_BLOCKS = [words for page in PAGES for words in commands(page)]
COMMANDS = list(dict.fromkeys([*IN_BLOCKS, *(words for page in PAGES for words in mentions(page, NAMES))]))


def stages_of(params: Mapping[str, Any]) -> dict[str, list[str]]:
    """The stages of dvc.yaml by these settings, each with what it makes."""
    found = {}
    for kind, entry in yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"].items():
        matrix = entry.get("matrix", {})
        made = [path for key in ("outs", "metrics", "plots") for each in entry.get(key, []) for path in paths_of(each)]
        for items in itertools.product(*(lookup(params, each[2:-1].split(".")) for each in matrix.values())):
            values = {f"${{item.{name}}}": item for name, item in zip(matrix, items, strict=True)}
            name = f"{kind}@{'-'.join(items)}" if items else kind
            found[name] = [reduce(lambda text, key: text.replace(key, values[key]), values, path) for path in made]
    return found


def paths_of(output: str | dict[str, Any]) -> list[str]:
    return [output] if isinstance(output, str) else list(output)


def lookup(params: Mapping[str, Any], keys: list[str]) -> Any:
    return reduce(lambda inner, key: inner[key], keys, params)


def settings() -> Any:
    """Those of params.yaml, with what the pages have people add: docs/datasets.md a data set, YAML blocks the rest."""
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["profiles"]["streets"] = params["profiles"]["camvid"]
    for block in itertools.chain.from_iterable(blocks(page, "yaml") for page in PAGES):
        for section, added in yaml.safe_load(block).items():
            params[section].update(added)
    return params


@cache
def defined() -> dict[str, list[str]]:
    """All stages that there are once they are selected."""
    params = settings()
    experiments, measurements = list(params["experiments"]), list(params["measurements"])
    params["run"] = dict.fromkeys(("experiments", "pruned", "submissions"), experiments)
    params["run"].update(datasets=list(params["profiles"]), measurements=measurements)
    return stages_of(params)


def selected(changed: list[str], scratch: Path) -> dict[str, list[str]]:
    """The stages that there are after a command changed settings; these are valid, and a selection among them."""
    path = scratch / "params.yaml"
    path.write_text(yaml.safe_dump(settings(), sort_keys=False))
    apply_overrides(path, changed)
    return stages_of({**yaml.safe_load(path.read_text()), "run": load(path).run.model_dump()})


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] not in UNCHECKED], ids=" ".join)
def test_a_command_can_be_given(words: tuple[str, ...], tmp_path: Path) -> None:
    """The program takes it, and what it names is there: stages, targets, modules, settings."""
    PROGRAMS[words[0]](list(words[1:]), tmp_path)


def test_what_is_not_checked_is_on_a_page() -> None:
    assert {words[0] for words in COMMANDS} == NAMES


def those_that(start: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The commands that begin so; all beginnings occur."""
    found = {each: [words for words in COMMANDS if " ".join(words).startswith(each)] for each in start}
    assert all(found.values())
    return list(itertools.chain(*found.values()))


@pytest.mark.parametrize("words", those_that(LOOKS), ids=" ".join)
def test_before_a_run_it_runs(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(settings(), sort_keys=False))
    Path("results").symlink_to(REPOSITORY / "results")
    done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
    assert done.exit_code == 0
    assert done.output


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = finished(tmp_path_factory)
    project.commit("recorded")
    project.run("git", "branch", "-M", "main")
    project.run("git", "branch", "my-branch")
    for path in map(project.root.joinpath, ("photo.jpg", "photo.png", "large.tif", "photos/one/photo.jpg")):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (96, 64), "grey").save(path)
    film(project.root / "street.mp4")
    return project


@pytest.mark.parametrize("words", those_that(LOOKS_AT_A_RUN), ids=" ".join)
def test_after_a_run_it_runs(project: Project, words: tuple[str, ...]) -> None:
    assert "Running stage 'train" not in project.run(*words)


@pytest.mark.parametrize("words", those_that(("mfaranet predict sample/base ",)), ids=" ".join)
def test_after_a_run_it_predicts(project: Project, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
    assert done.exit_code == 0
    assert any(Path("segmented").iterdir())
    shutil.rmtree("segmented")
