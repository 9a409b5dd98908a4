"""What holds for all tests, and for the programs that they start."""

import gc
import os
from pathlib import Path

import pytest

from tests.promises import HELD, SKIPPED, Promise, promises

# Such programs import the code beside the tests, as these do, whatever is installed.
os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
# Several tests run at once, on images so small that threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

LONG = (
    *("test_slurm.py", "test_export.py", "test_snakemake.py", "test_pipeline.py", "test_comparators.py"),
    *("test_processes.py", "test_deployment.py", "test_without_git.py", "test_kills.py", "test_fuzz.py"),
    *("test_own_data.py", "test_reproducible.py", "test_resume.py", "test_deploy.py", "test_commands.py"),
    *("test_snapshot.py", "test_code.py", "test_training.py", "test_plan.py", "test_verify.py", "test_running.py"),
)
"""Files of many seconds: begun last, one of them would run alone while the other processes wait."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, in this order; and what is for the night is skipped by day."""
    order = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))
    night = pytest.mark.skip(reason="at night: `make record`")
    for item in items:
        if item.get_closest_marker("night") and not item.config.getoption("--night"):
            item.add_marker(night)


def pytest_collection_finish() -> None:
    """Keep Python's collector from looking again and again through the million objects of the libraries.

    Tracing a network makes millions more that live on: that was a quarter of the time of the tests that export.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 20)


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `make` says."""
    parser.addoption("--night", action="store_true", help="also what takes minutes and seldom fails alone")
    parser.addoption("--record", action="store_true", help="write results/reliability/promises.csv and its page")


KEPT: list[tuple[Promise, str]] = []
"""What came of each promise, once all tests have run."""


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """After a run of all tests: fail where the test of a promise is missing or did not run."""
    config = session.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    chosen = [
        config.getoption(name, None) for name in ("keyword", "markexpr", "deselect", "ignore", "lf", "collectonly")
    ]
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS or any(chosen):
        return
    if reporter is None:  # a process of pytest-xdist, which has some tests alone
        return
    outcomes: dict[str, str] = {}
    for state in ("skipped", "passed", "failed", "error"):  # a later one is the worse
        for each in reporter.stats.get(state, []):
            outcomes[each.nodeid] = "failed" if state == "error" else state
    KEPT.extend((promise, promise.result(outcomes)) for promise in promises())
    if not exitstatus and any(not result.startswith((HELD, SKIPPED)) for _, result in KEPT):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if config.getoption("--record"):
        import pandas as pd  # with what else is imported here, two seconds of each run

        from tests.recorded import record

        rows = [(promise.text, " ".join(promise.tests), result) for promise, result in KEPT]
        record("promises", pd.DataFrame(rows, columns=["promise", "held by", "result"]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The promises, and what came of them."""
    if KEPT:
        terminalreporter.section("promises of docs/reliability.md")
    for promise, result in KEPT:
        terminalreporter.line(f"{result}: {promise.text}")
