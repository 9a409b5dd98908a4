"""A table of params.yaml, from stored results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mfaranet.tables.accuracy import overall_table, per_class_table
from mfaranet.tables.cells import Table
from mfaranet.tables.comparison import comparison_table
from mfaranet.tables.cost import complexity_table, latency_table
from mfaranet.tables.results import Results
from mfaranet.tables.settings import (
    ComparisonTable,
    ComplexityTable,
    LatencyTable,
    OverallTable,
    PerClassTable,
    TableSettings,
    Tolerances,
)


def build(
    name: str, settings: TableSettings, tolerances: Tolerances, experiments: Mapping[str, Any], results: Path
) -> Table:
    """Make a table from ``results``, the folder of one data set.

    ``experiments``: those that it can show (see Results).

    Raises:
        InputError: a result that the table needs is missing, or holds no such value.
    """
    stored = Results(results, experiments, name)
    match settings:
        case OverallTable():
            return overall_table(settings, tolerances, stored)
        case PerClassTable():
            return per_class_table(settings, stored)
        case ComplexityTable():
            return complexity_table(settings, tolerances, stored)
        case LatencyTable():
            return latency_table(settings, stored)
        case ComparisonTable():
            return comparison_table(settings, tolerances, stored)
