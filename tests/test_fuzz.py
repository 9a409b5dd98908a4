"""Bad input of every kind works or is refused with a sentence; and what would be neither is seen."""

import mmap
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfaranet.datasets.archives import extract
from mfaranet.datasets.camvid import read_list
from mfaranet.errors import InputError
from tests.fuzz import trial
from tests.fuzz.__main__ import KINDS
from tests.fuzz.trial import Case, Outcome, command, try_case


def test_500_cases_of_all_kinds() -> None:
    ran = subprocess.run([sys.executable, "-m", "tests.fuzz", "--cases", "500"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-5000:]
    counts = {kind: re.search(rf"{kind} +(\d+) +(\d+) +(\d+)", ran.stdout) for kind in KINDS}
    found = {kind: [int(count) for count in match.groups()] for kind, match in counts.items() if match}
    assert sum(map(sum, found.values())) == 500
    # Else the cases would show nothing: all of them whole, or all spoilt at the first byte.
    assert all(worked and refused and not failed for worked, refused, failed in found.values()), found


@pytest.fixture
def tried(tmp_path: Path) -> Callable[[Callable[[], object]], Outcome]:
    (tmp_path / "given.txt").touch()
    return lambda attempt: try_case(Case("", attempt, "given.txt", tmp_path / "out"), tmp_path)


def fail(error: BaseException) -> None:
    raise error


def leave(path: Path, message: str | None = None) -> None:
    path.parent.mkdir(exist_ok=True)
    path.touch()
    if message:
        raise InputError(message)


def test_what_is_no_sentence_fails(tried: Callable[[Callable[[], object]], Outcome]) -> None:
    assert tried(lambda: None).state == "worked"
    assert tried(lambda: fail(InputError("given.txt is empty"))).state == "refused"
    assert "that names given.txt" in tried(lambda: fail(InputError("a file is empty"))).text
    assert tried(lambda: fail(InputError("given.txt " * 10_000))).state == "failed"
    for error in (ValueError("x"), MemoryError(), RecursionError(), SystemExit(1), KeyboardInterrupt()):
        found = tried(lambda error=error: fail(error))  # type: ignore[misc]
        assert (found.state, type(error).__name__ in found.text) == ("failed", True)


def test_what_is_left_behind_fails(tried: Callable[[Callable[[], object]], Outcome], tmp_path: Path) -> None:
    assert tried(lambda: leave(tmp_path / "out/all.txt")).state == "worked"
    for path, message in (
        ("out/half.txt", "given.txt is empty"),
        (".out.partial/half.txt", None),
        ("out/.half.txt.7.partial", None),
        ("elsewhere.txt", None),
    ):
        found = tried(lambda: leave(tmp_path / path, message))  # noqa: B023
        assert (found.state, path in found.text) == ("failed", True)
    assert tried((tmp_path / "given.txt").unlink).state == "failed"


def test_what_takes_too_much_fails(
    tried: Callable[[Callable[[], object]], Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(size: int) -> None:
        """Pages of the system's own: what was freed before serves an array, and costs nothing."""
        np.frombuffer(mmap.mmap(-1, size << 20), np.uint8)[:] = 1

    monkeypatch.setattr(trial, "MEMORY", 100)
    assert tried(lambda: take(50)).state == "worked"
    assert "MiB of memory" in tried(lambda: take(150)).text
    hang = "from tests.fuzz import trial; trial.SECONDS = 0.5; trial.begin()\nwhile True: pass"
    ran = subprocess.run([sys.executable, "-c", hang], capture_output=True, text=True, timeout=30)
    assert (ran.returncode, "Timeout" in ran.stderr) == (1, True)


def test_a_command_line_is_read_as_it_ends(tmp_path: Path) -> None:
    command("models", "--quiet")
    with pytest.raises(InputError, match=r"none\.yaml: No such file"):
        command("params", "--file", str(tmp_path / "none.yaml"))
    with pytest.raises(AssertionError, match="exit status 2"):
        command("params", "--no-such-option")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=20), st.sampled_from(["", ".png", "/x.png", "/../x.png"])), max_size=3))
def test_members_of_any_name_land_below_the_folder_or_nowhere(names: list[tuple[str, str]]) -> None:
    with TemporaryDirectory() as place:
        folder, archives = Path(place) / "a/b/folder", [Path(place) / "set.zip", Path(place) / "set.tar"]
        with zipfile.ZipFile(archives[0], "w") as zipped, tarfile.open(archives[1], "w") as tar:
            for stem, ending in names:
                tar.addfile(tarfile.TarInfo(stem + ending))
                member = zipfile.ZipInfo("x")
                member.filename = stem + ending
                zipped.writestr(member, b"")
        for archive in archives:
            try:
                extract(archive, folder, (".png",))
            except InputError as error:
                assert str(archive) in str(error)  # noqa: PT017
        outside = [path for path in Path(place).rglob("*") if folder not in path.parents and folder != path]
        assert set(outside) <= {*archives, *folder.parents}


@settings(max_examples=100, deadline=2000)
@given(st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([b"one", b"two", b".", b"/", b"one " * 300]))))
def test_a_list_of_any_bytes_has_known_names_or_problems(lines: list[bytes]) -> None:
    with TemporaryDirectory() as place:
        path = Path(place) / "train.txt"
        path.write_bytes(b"\n".join(lines))
        stems, problems = read_list(path, {"one", "two"})
    assert all(stem.isprintable() and "/" not in stem for stem in stems)
    assert all(str(problem).startswith("train.txt: line ") for problem in problems)


def test_a_value_without_an_end_is_cut_in_a_message() -> None:
    path = "y" * 4000
    said = str(InputError(f"no network is called {'x' * 100_000}; see {path}"))
    assert said == f"no network is called {'x' * 100}... (100001 characters) see {path}"
