"""Stage check: the networks of all experiments, before DVC removes the results of a stage to run it again."""

from pathlib import Path

from mfaranet.files import write_text
from mfaranet.training.checking import check_networks
from workflow.common import start
from workflow.planned import Planned

OUTPUT = Path("results/checked.txt")


def main() -> None:
    """Check that every network can be built, and trained with its loss."""
    check_networks(Planned.read("check").settings["experiments"])
    write_text(OUTPUT, "params.yaml is valid\n")  # always the same, so that nothing below runs again


if __name__ == "__main__":
    start(main)
