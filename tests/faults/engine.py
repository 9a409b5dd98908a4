"""DVC and Snakemake at work in a project: started, watched, killed, or refused."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from tempfile import TemporaryFile

import psutil

from tests.project import Project

ENGINES = {"dvc": ("dvc", "repro"), "snakemake": ("snakemake", "-j2")}


def refused(project: Project, *command: str, names: str = "", **environment: str) -> str:
    """What a command says that must fail with a message which names something."""
    done = project.ran(*command, **environment)
    said = done.stdout + done.stderr
    assert done.returncode != 0, f"{' '.join(command)} ended well\n{said}"
    assert_message(said, names)
    return said


def assert_message(said: str, names: str = "") -> None:
    """It is a message for people, which names something."""
    assert "Traceback" not in said, said
    assert names in said, f"nothing names {names}: {said}"


class Running:
    """An engine at work, in a process group of its own."""

    def __init__(self, project: Project, engine: str, *targets: str, prefix: tuple[str, ...] = ()) -> None:
        self.project, self.engine = project, engine
        self._log = TemporaryFile()  # noqa: SIM115 (elsewhere: the project's disk may be full)
        self.process = subprocess.Popen(
            [*prefix, *ENGINES[engine], *targets],
            cwd=project.root,
            env=project.environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def stage(self, stage: str, seconds: float = 180) -> psutil.Process | None:
        """The process of a stage, as soon as it is there; None where the engine ends without it."""
        return self.child(lambda words: f"workflow.{stage}" in words, seconds)

    def child(self, fits: Callable[[list[str]], bool], seconds: float = 180) -> psutil.Process | None:
        """The first process below the engine whose words fit, as soon as it is there."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < until, self.said()
            try:
                for each in psutil.Process(self.process.pid).children(recursive=True):
                    if fits(each.cmdline()):
                        return each
            except psutil.NoSuchProcess:
                pass
            time.sleep(0.02)
        return None

    def kill(self) -> bool:
        """Kill the whole group; whether it was still at work."""
        alive = self.process.poll() is None
        end_group(self.process)
        return alive

    def end(self, seconds: float = 300) -> tuple[int, str]:
        """Exit status and all that was said."""
        status = self.process.wait(seconds)
        return status, self.said()

    def said(self) -> str:
        """What the engine says, and the stages."""
        return self._own() + self._logs()

    def stages(self) -> str:
        """What the stages say, or the engine where none began: Snakemake shows tracebacks of what it cannot write."""
        return self._logs() or self._own()

    def _own(self) -> str:
        return os.pread(self._log.fileno(), 1 << 24, 0).decode(errors="replace")  # the engine writes where it was

    def _logs(self) -> str:
        logs = sorted((self.project.root / "logs/snakemake").glob("*.log")) if self.engine == "snakemake" else []
        return "".join(path.read_text(errors="replace") for path in logs)


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and all that it has started, and wait until they are gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # DVC respects the lock of a process until init has taken notice of its death.
    until = time.monotonic() + 60
    while _group_lives(process.pid):
        assert time.monotonic() < until, "killed processes are still there"
        time.sleep(0.05)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def run(project: Project, engine: str, *targets: str) -> str:
    """Run an engine to its end, as docs/running.md says of a killed one; what it says, and its stages."""
    for log in (project.root / "logs/snakemake").glob("*.log"):
        log.unlink()
    if engine == "snakemake" and list((project.root / ".snakemake/locks").glob("*")):
        project.run("snakemake", "--unlock")
    running = Running(project, engine, *targets)
    status, said = running.end()
    assert status == 0, said
    assert "Traceback" not in said, said
    return said
