"""What pip installs is what constraints.txt and .ci/tools.txt have checksums of."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib.metadata import distribution
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
NEEDED = [
    *PROJECT["build-system"]["requires"],
    *PROJECT["project"]["dependencies"],
    *chain(*PROJECT["project"]["optional-dependencies"].values()),
]


def read_lock(name: str) -> dict[str, Requirement]:
    """The pins of a file by their names; each has the checksum of a file, and nothing else is in it."""
    text = (REPOSITORY / name).read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[^\s=]+==[^\s;]+(; .*?)?( +--hash=sha256:[0-9a-f]{64})+", line) for line in lines)
    pins = [Requirement(line.split(" --hash")[0]) for line in lines]
    assert len({each.name for each in pins}) == len(pins) > 50
    return {each.name: each for each in pins}


def applies(requirement: Requirement, extras: Sequence[str] = ()) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": each}) for each in ("", *extras))


def closure(needed: Sequence[str]) -> Iterator[tuple[str, Requirement]]:
    """All that is needed here, with what needs it."""
    left = [("pyproject.toml", Requirement(each)) for each in needed]
    known = set()
    while left:
        source, requirement = left.pop()
        if (key := str(requirement)) in known:
            continue
        known.add(key)
        yield source, requirement
        of_it = map(Requirement, distribution(requirement.name).requires or [])
        left += [(requirement.name, each) for each in of_it if applies(each, sorted(requirement.extras))]


def test_all_that_is_needed_is_locked_as_it_is_installed() -> None:
    lock = read_lock("constraints.txt")
    for source, requirement in closure(NEEDED):
        pin = lock.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement}, of {source}, is not in constraints.txt: make lock"
        assert applies(pin), f"{pin} is not for this machine, but {source} needs it"
        version = distribution(requirement.name).version
        assert version in pin.specifier, f"{pin} is locked, {version} is installed: rm -rf .venv && make test"
        assert version in requirement.specifier, f"{source} needs {requirement}, but {version} is locked"


def test_the_tools_are_locked() -> None:
    locked = read_lock(".ci/tools.txt")
    for each in map(Requirement, PROJECT["dependency-groups"]["tools"]):
        pin = locked[canonicalize_name(each.name)]
        assert next(iter(pin.specifier)).version in each.specifier


def install_commands() -> list[list[str]]:
    """Those of pip in the Makefile."""
    made = subprocess.run(
        ["make", "-n", "-B", ".venv/.ready", ".tools/.ready"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return [shlex.split(line) for line in made.stdout.splitlines() if " pip install " in line]


def test_make_installs_nothing_without_a_checksum() -> None:
    commands = install_commands()
    project = [each for each in commands if each[-2:] == ["-e", "."]]
    assert len(project) == 1
    assert {"--no-deps", "--no-build-isolation"} < {*project[0]}
    others = [each for each in commands if each not in project]
    assert {each[-1] for each in others} == {".venv/builder.txt", "constraints.txt", ".ci/tools.txt"}
    assert all({"--no-deps", "--require-hashes"} < {*each} for each in others)


@pytest.mark.parametrize("changed", [False, True])
def test_a_file_that_changed_is_not_installed(tmp_path: Path, changed: bool) -> None:
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as content:
        content.writestr("tiny.py", "")
        content.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        content.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        content.writestr("tiny-1.0.dist-info/RECORD", "")
    digest = sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "constraints.txt").write_text(f"tiny==1.0 \\\n    --hash=sha256:{digest}\n")
    if changed:
        with zipfile.ZipFile(wheel, "a") as content:
            content.writestr("more.py", "")
    _, *arguments = next(each for each in install_commands() if each[-1] == "constraints.txt")
    own = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_TARGET": str(tmp_path / "here")}
    ran = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, env=os.environ | own, capture_output=True, text=True
    )
    assert (ran.returncode != 0) == changed == ("DO NOT MATCH THE HASHES" in ran.stderr)
    assert (tmp_path / "here/tiny.py").exists() != changed


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ("No known vulnerabilities found", 0, "constraints.txt: No known vulnerabilities found"),
        ("Found 2 known vulnerabilities in 1 package", 1, "Found 2 known vulnerabilities"),
        ("x: Dependency not found on PyPI and could not be audited", 2, "error: constraints.txt is not audited"),
    ],
)
def test_an_audit_that_got_no_answer_is_not_a_good_one(tmp_path: Path, answer: str, status: int, said: str) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\necho '{answer}' >&2\nexit {min(status, 1)}\n")
    program.chmod(0o755)
    own = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run([".ci/audit"], cwd=REPOSITORY, env=os.environ | own, capture_output=True, text=True)
    assert ran.returncode == status
    assert said in ran.stdout + ran.stderr
