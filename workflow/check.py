"""Stage check: params.yaml as a whole, before all other stages: DVC removes the results of one before it runs it."""

from pathlib import Path

from mfaranet.files import write_text
from mfaranet.params import check_networks, load
from workflow.common import start

OUTPUT = Path("results/checked.txt")


def main() -> None:
    """Check every data set with every experiment, and the options of every network."""
    check_networks(load())
    write_text(OUTPUT, "params.yaml is valid\n")  # always the same, so that nothing below runs again


if __name__ == "__main__":
    start(main)
