"""Ground truth of the public data sets, as package data: labels, splits, durations, ambiguous intervals."""

from __future__ import annotations

from wtalkit.datasets.annotated_order import as_annotated
from wtalkit.datasets.builtin import DATASETS, LEFT_OUT, Dataset, VideoList, dataset, load_dataset, recognised
from wtalkit.datasets.sources import SOURCES, Source

__all__ = [
    "DATASETS",
    "LEFT_OUT",
    "SOURCES",
    "Dataset",
    "Source",
    "VideoList",
    "as_annotated",
    "dataset",
    "load_dataset",
    "recognised",
]
