"""How long may OpenMP's threads spin while they wait? Times a pass of MFARANet by GOMP_SPINCOUNT, quiet and disturbed.

python -m benchmarks.threads [rounds]   # nothing else should run

Beside a busy process, a thread that spins takes the core that the others wait for; one that sleeps has to be woken. The
value of mfaranet/__init__.py should cost nothing when quiet and help when not. Prints medians in milliseconds.
"""

import multiprocessing
import os
import subprocess
import sys
from statistics import median

VALUES = ("300000", "20000", "10000", "5000", "2000", "1000", "0")  # the first is about the default
SIZES = ((64, 64, 15), (512, 1024, 2))
PASS = """
import time, torch, mfaranet
torch.set_num_threads({threads})
model = mfaranet.get_model("mfaranet").eval()
image = torch.randn(1, 3, {height}, {width})
with torch.inference_mode():
    model(image)
    for _ in range({passes}):
        start = time.perf_counter()
        model(image)
        print(time.perf_counter() - start)
"""


def main() -> None:
    """Interleave the values, a process each."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    threads = os.cpu_count() or 1
    print(f"{threads} threads; median milliseconds of a pass")
    print(f"{'':>24}" + "".join(f"{value:>9}" for value in VALUES))
    for height, width, passes in SIZES:
        code = PASS.format(threads=threads, height=height, width=width, passes=passes)
        for busy in (False, True):
            times: dict[str, list[float]] = {value: [] for value in VALUES}
            for _ in range(rounds):
                for value in VALUES:
                    times[value] += timed(code, value, busy)
            name = f"{height}x{width}, {'beside a process' if busy else 'quiet'}"
            print(f"{name:>24}" + "".join(f"{1000 * median(found):9.0f}" for found in times.values()), flush=True)


def timed(code: str, value: str, busy: bool) -> list[float]:
    """Seconds of each pass in a process with this GOMP_SPINCOUNT."""
    other = multiprocessing.Process(target=spin, daemon=True)
    if busy:
        other.start()
    environment = {**os.environ, "GOMP_SPINCOUNT": value}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    if busy:
        other.kill()
        other.join()
    return [float(line) for line in done.stdout.split()]


def spin() -> None:
    """Take a core."""
    while True:
        pass


if __name__ == "__main__":
    main()
