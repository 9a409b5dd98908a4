"""Stage summary: each experiment's scores in one small file, and digests of what each table shows."""

import typer

from mfaranet.files import atomic_folder, write_json
from mfaranet.tables.results import Results
from mfaranet.tables.settings import Shown
from mfaranet.tables.summary import scores, sources
from workflow.common import Paths, start
from workflow.planned import Planned
from workflow.sources import digest


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Gather what is recorded. A table depends on its digests alone, so that other results do not make it stale."""
    planned = Planned.read("summary", dataset)
    paths = Paths(dataset)
    every = planned.settings["experiments"]
    shown: Shown = planned.part("shown", Shown)
    results = Results(paths.results, every)
    with atomic_folder(paths.metrics) as folder:
        for name, each in every.items():
            if each["selected"] and results.recorded(name):
                write_json(folder / f"{name}.json", scores(results, name, planned.settings["protocols"], shown))
    with atomic_folder(paths.sources) as folder:
        for name, table in planned.settings["tables"].items():
            stored = Results(paths.results, {each: every[each] for each in table["experiments"]})
            found = sources(table["kind"], table["measurement"], stored)
            write_json(folder / f"{name}.json", {key: digest(content) for key, content in found.items()})
    typer.echo(f"summary: {paths.metrics}")


if __name__ == "__main__":
    start(main)
