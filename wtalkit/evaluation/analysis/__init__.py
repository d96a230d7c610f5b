"""More than mAP: by class, average recall, kinds of error, kinds of instance, as tables and as plots."""

from __future__ import annotations

from wtalkit.evaluation.analysis.characteristics import buckets_of
from wtalkit.evaluation.analysis.plots import write_plots
from wtalkit.evaluation.analysis.report import Analysis, analyse, analyse_prepared
from wtalkit.evaluation.analysis.tables import Table, tables, to_csv, to_markdown

__all__ = [
    "Analysis",
    "Table",
    "analyse",
    "analyse_prepared",
    "buckets_of",
    "tables",
    "to_csv",
    "to_markdown",
    "write_plots",
]
