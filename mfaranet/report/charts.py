"""Charts as SVG, drawn by Vega-Lite when the page is made: each mark says in words what it shows.

Text and axes have the colour of the page's text, so that they are seen on light and dark.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import vl_convert
from markupsafe import Markup

from mfaranet.figures.front import pareto

Rows = Sequence[dict[str, Any]]

# Okabe and Ito's colours, those that are seen on white and on black; with shapes, as colour is not the only sign.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
_WIDTH = 620
_TEXT = dict.fromkeys(("labelColor", "titleColor"), "currentColor")
_CONFIG = {
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        **_TEXT,
        "gridColor": "currentColor",
        "gridOpacity": 0.15,
        "domainColor": "currentColor",
        "tickColor": "currentColor",
    },
    "legend": {**_TEXT, "symbolStrokeColor": "currentColor", "labelLimit": 260},
    "text": {"color": "currentColor"},
    "range": {"category": COLOURS, "symbol": SHAPES},
}


def networks(points: Rows, axis: str, *, fewer: bool) -> Markup:
    """mIoU over speed or cost, a point for each network, larger with its parameters, and the front that none beats.

    Args:
        points: ``name``, ``says``, ``x``, ``miou``, ``params`` and ``ours``.
        axis: what ``x`` is.
        fewer: less of it is better.
    """
    front = pareto(points, lambda each: (each["x"], each["miou"]), less_is_better=fewer)
    x = {"field": "x", "type": "quantitative", "title": axis, "scale": {"type": "log"}}
    place = {"x": x, "y": _score("mIoU (%)", "miou")}
    marks = {
        **place,
        "size": {"field": "params", "type": "quantitative", "title": "parameters (M)", "scale": {"range": [30, 500]}},
        "color": {
            "field": "ours",
            "type": "nominal",
            "legend": None,
            "scale": {"domain": [True, False], "range": COLOURS[1::-1]},
        },
        "shape": {
            "field": "ours",
            "type": "nominal",
            "legend": None,
            "scale": {"domain": [True, False], "range": SHAPES[1::-1]},
        },
        "description": {"field": "says"},
    }
    named = [point for point in points if point["ours"] or point in front]
    return _draw(
        {
            "layer": [
                _layer(front, {"type": "line", "aria": False, "strokeDash": [4, 3], "color": "currentColor"}, place),
                _layer(points, {"type": "point", "filled": True, "opacity": 0.85}, marks),
                _layer(
                    named,
                    {"type": "text", "aria": False, "dy": -12, "fontSize": 10},
                    {**place, "text": {"field": "name", "type": "nominal"}},
                ),
            ],
            "height": 340,
        }
    )


def differences(rows: Rows, spread: float | None) -> Markup:
    """Each experiment's difference from base in points, with its deviation over seeds; ``spread`` is base's own.

    ``rows``: ``name``, ``says``, ``difference``, ``low`` and ``high``.
    """
    y = {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 220}}
    x = {"field": "difference", "type": "quantitative", "title": "mIoU, points more or less than base"}
    zero = [{"difference": 0.0}]
    layers = [
        _layer(zero, {"type": "rule", "aria": False, "color": "currentColor", "opacity": 0.6}, {"x": x}),
        _layer(
            rows,
            {"type": "rule", "aria": False, "color": "currentColor"},
            {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
        ),
        _layer(
            rows,
            {"type": "point", "filled": True, "size": 70, "opacity": 1, "color": COLOURS[0]},
            {"y": y, "x": x, "description": {"field": "says"}},
        ),
    ]
    if spread is not None:
        band = [{"low": -spread, "high": spread}]
        layers.insert(
            0,
            _layer(
                band,
                {"type": "rect", "aria": False, "color": "currentColor", "opacity": 0.1},
                {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
            ),
        )
    return _draw({"layer": layers, "height": {"step": 20}})


def curves(frame: pd.DataFrame, value: str, title: str) -> Markup:
    """A value by epoch, a line for each of some experiments."""
    rows = [
        {"experiment": name, "epoch": epoch, value: found, "says": f"{name}, epoch {epoch}: {title} {found:.4g}"}
        for name, epoch, found in zip(frame["experiment"], frame["epoch"], frame[value], strict=True)
    ]
    experiment = {"field": "experiment", "type": "nominal", "sort": None}
    epochs = sorted({int(epoch) for epoch in frame["epoch"]})
    place = {
        "x": {"field": "epoch", "type": "quantitative", "axis": {"values": epochs[:: -(-len(epochs) // 12)]}},
        "y": {"field": value, "type": "quantitative", "title": title, "scale": {"zero": False}},
        "color": experiment,
    }
    return _draw(
        {
            "layer": [
                _layer(rows, {"type": "line", "aria": False}, place),
                _layer(
                    rows,
                    {"type": "point", "filled": True, "opacity": 1, "size": 50},
                    {**place, "shape": {**experiment, "legend": None}, "description": {"field": "says"}},
                ),
            ],
            "height": 180,
        }
    )


def classes(rows: Rows) -> Markup:
    """IoU of each class, a mark for each column of the table.

    ``rows``: ``class``, ``experiment``, ``iou`` and ``says``.
    """
    experiment = {"field": "experiment", "type": "nominal", "sort": None}
    marks = {
        "y": {"field": "class", "type": "nominal", "sort": None, "title": None},
        "x": {"field": "iou", "type": "quantitative", "title": "IoU (%)"},
        "color": experiment,
        "shape": {**experiment, "legend": None},
        "description": {"field": "says"},
    }
    return _draw(
        {**_layer(rows, {"type": "point", "filled": True, "opacity": 1, "size": 60}, marks), "height": {"step": 18}}
    )


def confusion(pixels: pd.DataFrame) -> Markup:
    """Of the pixels of each class, the share that is predicted as each."""
    shares = 100 * pixels.div(pixels.sum(axis=1), axis=0)
    rows = [
        {
            "truth": truth,
            "predicted": predicted,
            "share": share,
            "says": f"{truth}, predicted as {predicted}: {share:.1f} %",
        }
        for truth, row in shares.iterrows()
        for predicted, share in row.items()
        if share == share
    ]
    order = list(pixels.index)
    marks = {
        "x": {"field": "predicted", "type": "nominal", "sort": order, "axis": {"labelAngle": -60}},
        "y": {"field": "truth", "type": "nominal", "sort": order, "title": "ground truth"},
        "color": {
            "field": "share",
            "type": "quantitative",
            "title": "% of the class",
            # A gradient would have a name that differs from one run to the next.
            "legend": {
                "type": "symbol",
                "values": [0, 25, 50, 75, 100],
                "symbolType": "square",
                "symbolStrokeColor": None,
            },
            "scale": {"scheme": "cividis", "domain": [0, 100]},
        },
        "description": {"field": "says"},
    }
    return _draw({**_layer(rows, {"type": "rect"}, marks), "width": 480, "height": 480})


def _score(title: str, field: str) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, "scale": {"zero": False}}


def _layer(rows: Rows, mark: dict[str, Any], encoding: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"values": list(rows)}, "mark": mark, "encoding": encoding}


def _draw(spec: dict[str, Any]) -> Markup:
    svg: str = vl_convert.vegalite_to_svg({"width": _WIDTH, "config": _CONFIG, "background": None, **spec})
    return Markup(svg)  # noqa: S704, Vega escapes the names in it
