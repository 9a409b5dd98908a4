"""Runs a module as `python -m` does, and notes how long that took: python clock.py <log> <module> [argument...]"""

import json
import subprocess
import sys
import time

log, module, *arguments = sys.argv[1:]
start = time.perf_counter()
code = subprocess.run([sys.executable, "-m", module, *arguments]).returncode
with open(log, "a") as file:
    file.write(json.dumps({"stage": module, "seconds": time.perf_counter() - start}) + "\n")
sys.exit(code)
