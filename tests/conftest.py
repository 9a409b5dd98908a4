"""What holds for all tests, and for the programs that they start."""

import os
from pathlib import Path

import pytest

# Such programs import the code beside the tests, as these do, whatever is installed.
os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
# Two tests run at once, on images so small that threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What each of the two processes takes at a time: a file, whose tests share fixtures, or one long export."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.name if item.path.stem == "test_export" else item.path.stem))
