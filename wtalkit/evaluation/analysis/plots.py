"""An analysis as pictures, SVG and PNG of each."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit.evaluation.analysis import figures
from wtalkit.evaluation.analysis.drawing import save

if TYPE_CHECKING:
    from wtalkit.evaluation.analysis.report import Analysis

PLOTS = {
    "map": figures.map_over_tiou,
    "classes": figures.ap_by_class,
    "precision-recall": figures.precision_recall,
    "recall": figures.recall,
    "errors": figures.error_profile,
    "gains": figures.gains,
    "sensitivity": figures.sensitivity,
    "missed": figures.missed,
}
"""Names of the files, and what draws them."""


def write_plots(analysis: Analysis, folder: str | os.PathLike[str]) -> list[Path]:
    """Write every plot into a folder, which is made; equal analyses give equal files.

    Returns:
        The files, ``map.svg``, ``map.png`` and so on.

    Raises:
        MachineError: matplotlib is not installed, or the folder cannot be written to.
    """
    return [path for name, draw in PLOTS.items() for path in save(name, partial(draw, analysis), Path(folder))]
