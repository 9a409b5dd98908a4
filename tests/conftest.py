"""What holds for all tests, and for the programs that they start."""

import os
from pathlib import Path

# Such programs import the code beside the tests, as these do, whatever is installed.
os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
# Two tests run at once, on images so small that threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
