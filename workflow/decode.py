"""Stage decode: the pixels of a prepared data set as they are in memory, beside it (see mfaranet.data.decoded)."""

import typer

from mfaranet.data.decoded import decoded_bytes
from mfaranet.datasets.decoding import decode
from mfaranet.files import write_json
from workflow.common import Paths, start
from workflow.planned import Planned


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Decode one data set, or leave the folder empty where its ``cache`` is false."""
    paths = Paths(dataset)
    record = decode(paths.data, wanted=Planned.read("decode", dataset).settings["cache"])
    # Of the data alone, not of whether they were decoded: trainings, which are the same in both cases, depend on it.
    sizes = {split: decoded_bytes(record, split) for split in record.labelled}
    write_json(paths.decoded, {"fingerprint": record.fingerprint, "bytes": sizes})


if __name__ == "__main__":
    start(main)
