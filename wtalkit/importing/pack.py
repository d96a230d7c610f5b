"""What a pack holds, whatever its layout: videos with their rows, and what it says of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from wtalkit.annotations import Annotations
from wtalkit.importing.rows import Rows

LayoutName = Literal["wtalc", "cola", "acmnet", "pmil", "actionformer", "hdf5"]
Mode = Literal["auto", "link", "copy"]

LAYOUTS: dict[LayoutName, str] = {
    "wtalc": "one object array of all videos, beside it the annotations as arrays: W-TALC, CO2-Net, DELU",
    "cola": "features/{train,test}/{rgb,flow}/KEY.npy, gt.json and lists: BaS-Net, UM, CoLA, LAC",
    "acmnet": "{train,test}/KEY.npy, gt.json and lists: ACM-Net",
    "pmil": "the W-TALC pack below data/, proposals beside it: P-MIL",
    "actionformer": "a folder of KEY.npy, annotations as JSON beside it: ActionFormer",
    "hdf5": "an HDF5 file with an array or a group per video",
}


@dataclass(frozen=True)
class PackVideo:
    """One video of a pack.

    Attributes:
        name: what the pack calls it.
        rows: its features.
        url: where it was, if the pack says; ActivityNet's names are in there.
    """

    name: str
    rows: Rows
    url: str | None = None


@dataclass(frozen=True)
class Pack:
    """A pack that was opened; its features are not read yet.

    Attributes:
        path: as given.
        layout: which it is.
        videos: in the pack's order.
        annotations: what it says of its videos, by the pack's names; None if it says nothing.
        lists: names of videos by list, ``train`` and ``test``, as it trains and tests; empty if it has no lists.
        fps: own frame rate of videos, by name, where it is stated.
        notes: what is to be known of it, a sentence each.
        stack: closes what is open.
    """

    path: Path
    layout: LayoutName
    videos: tuple[PackVideo, ...]
    annotations: Annotations | None = None
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fps: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stack: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)

    def close(self) -> None:
        self.stack.close()
