"""What holds for all tests, and for the programs that they start."""

import os
from pathlib import Path

import pytest

# Such programs import the code beside the tests, as these do, whatever is installed.
os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
# Several tests run at once, on images so small that threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

LONG = ("test_slurm.py", "test_export.py", "test_snakemake.py", "test_pipeline.py")
"""Files of minutes: begun last, one of them would run alone while the other process waits."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, in this order."""
    order = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))
