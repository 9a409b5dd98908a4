"""The page of one data set: one file, which needs no network."""

import base64
import gzip
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import itables
import yaml
from markupsafe import Markup

from mfaranet.files import write_text
from mfaranet.report import charts, content
from mfaranet.report.environment import asset, templates
from mfaranet.report.layers import LAYERS, Pictures
from mfaranet.report.stored import CURVES, Stored, StoredTable
from mfaranet.tables.cells import describe
from mfaranet.tables.settings import ReportSettings


def write_report(path: Path, stored: Stored, settings: ReportSettings, pictures: Pictures | None) -> None:
    """Write the page of a data set.

    Args:
        path: the HTML file.
        stored: its results.
        settings: what to show first.
        pictures: what pictures.draw made; None where the data or the predictions are not here.
    """
    tables = _in_order(stored, settings)
    verdicts = content.verdicts(tables)
    plan = stored.runs.get(content.BASE, {}).get("plan", {})  # runs of earlier versions have none
    protocol = settings.shown.protocol
    scores = content.scores(tables, protocol)
    differences = content.differences(scores, settings.figures.ablations)
    script = asset("report.js")
    page = templates().get_template("report.html.j2")
    text = page.render(
        title=f"MFARANet on {stored.dataset}",
        sentence=content.sentence(stored),
        verdicts=content.summary(verdicts),
        differs=[verdict for verdict in verdicts if verdict.kind == "differs"],
        pictures=pictures,
        layers=LAYERS,
        scatters=_scatters(stored, settings),
        tables=tables,
        differences=charts.differences(differences, scores[content.BASE].spread.value) if differences else None,
        curves=_curves(stored, settings.figures.experiments),
        classes=[charts.classes(content.class_scores(each)) for each in tables if each.name in settings.classes],
        confusion=charts.confusion(pixels) if len(pixels := stored.confusion(content.BASE, protocol)) else None,
        facts=content.environment(stored),
        parameters=yaml.safe_dump(plan["settings"], sort_keys=False) if plan else "",
        citations=_citations(settings.form),
        script=Markup(script),  # noqa: S704
        script_digest=base64.b64encode(sha256(script.encode()).digest()).decode(),
        grid=_grid(),
        origins=packed({table.name: _origins(table) for table in tables}),
    )
    write_text(path, text)


def packed(content: Any) -> str:
    """JSON, compressed, as text that a page can hold and its script unpacks."""
    return base64.b64encode(gzip.compress(json.dumps(content).encode(), mtime=0)).decode()


def _scatters(stored: Stored, settings: ReportSettings) -> dict[str, Markup]:
    """Accuracy against speed and cost, of a table of all networks."""
    table = next((stored.tables[name] for name in settings.networks if name in stored.tables), None)
    if table is None:
        return {}
    size = next((cell.text for (cell,) in table.cells("Input here") if cell.text), "")
    drawn = {}
    for measure, axis, fewer in (("FPS here", f"images a second here at {size}", False), ("GFLOPs", "GFLOPs", True)):
        if points := content.networks(table, measure):
            drawn[axis] = charts.networks(points, axis, fewer=fewer)
    return drawn


def _curves(stored: Stored, experiments: Sequence[str]) -> dict[str, Markup]:
    drawn = {}
    for name, title in CURVES.items():
        curve = stored.curve(name)
        shown = curve[curve["experiment"].isin(experiments)]
        if len(shown):
            drawn[title] = charts.curves(shown, name, title)
    return drawn


def _in_order(stored: Stored, settings: ReportSettings) -> list[StoredTable]:
    """The tables in the order of params.yaml, and then those that it no longer has."""
    names = dict.fromkeys([*settings.tables, *stored.tables])
    return [stored.tables[name] for name in names if name in stored.tables]


def _origins(table: StoredTable) -> list[list[str]]:
    return [[describe(cell.value, cell.origin) for cell in row] for row in table.rows]


def _citations(form: str) -> list[str]:
    known = yaml.safe_load(asset("citations.yaml"))
    return [known["paper"], *([known["data"][form]] if form in known["data"] else [])]


def _grid() -> dict[str, str]:
    """DataTables, which sorts and filters, as its Python package brings it for pages without a network."""
    folder = Path(itables.__file__).parent / "html"
    return {kind: (folder / f"dt_bundle.{kind}").read_text(encoding="utf-8") for kind in ("js", "css")}
