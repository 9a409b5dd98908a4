"""Pages of the results in this folder, for the command line."""

from pathlib import Path

from mfaranet.params import Params, load
from mfaranet.report.content import BASE
from mfaranet.report.layers import Pictures, find_pictures
from mfaranet.report.stored import Stored
from mfaranet.runs import predictions_folder


def make_report(dataset: str, output: Path) -> None:
    """Write the page of a data set, with pictures where the data and the predictions are here.

    Raises:
        InputError: params.yaml is bad or has no such data set, or it has no results.
    """
    from mfaranet.report.page import write_report

    params = load()
    settings, stored = params.report(dataset), Stored(Path("results", dataset))
    write_report(output, stored, settings, _pictures(params, stored, _predictions(params, dataset)))


def make_difference(dataset: str, revision: str, output: Path) -> None:
    """Write what changed of a data set's results since a revision.

    Raises:
        InputError: as make_report; or the revision is unknown, or has no results.
    """
    from mfaranet.report import revisions
    from mfaranet.report.difference import write_difference

    params, now = load(), Stored(Path("results", dataset))
    folder = _predictions(params, dataset)
    with revisions.checked_out(revision, dataset, folder) as (results, earlier):
        before = Stored(results)
        found = {"before": earlier and _pictures(params, before, earlier), "after": _pictures(params, now, folder)}
        pictures = {when: each for when, each in found.items() if each}
        changes = revisions.parameters(revision), revisions.metrics(revision, dataset)
        write_difference(output, revision, before, now, *changes, pictures)


def _predictions(params: Params, dataset: str) -> Path:
    """Of base, by the protocol that is shown."""
    return predictions_folder(dataset, BASE) / params.shown.protocol


def _pictures(params: Params, stored: Stored, predicted: Path) -> Pictures | None:
    return find_pictures(stored, Path("data", stored.dataset), predicted, params.figures.pictures)
