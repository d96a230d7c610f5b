"""Reports to try the page with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from wtalkit.annotations.model import Instance
from wtalkit.localizer import Curves
from wtalkit.report import Report, ReportVideo
from wtalkit.segments import Segment

REPOSITORY = Path(__file__).resolve().parent.parent.parent
DEMO = REPOSITORY / "samples" / "match.mp4"
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><!--<script>${label}"


def segment(start_s: float, end_s: float, label: str, score: float) -> Segment:
    return Segment(start_s, end_s, label, score)


def curves(labels: tuple[str, ...], duration_s: float = 60.0, snippets: int = 150) -> Curves:
    times_s = (np.arange(snippets) + 0.5) * duration_s / snippets
    waves = [0.5 + 0.5 * np.sin(times_s / (number + 1)) for number in range(len(labels))]
    activations = np.stack(waves, axis=1).astype(np.float32)
    return Curves(times_s, labels, activations, activations.max(axis=1))


def demo(key: str = "match", **changes: Any) -> ReportVideo:
    """The demo video with five candidates, three of which are shown at first."""
    known: dict[str, Any] = {
        "key": key,
        "candidates": (
            segment(4.7, 6.2, "throw", 0.72),
            segment(11.4, 13.0, "stand up", 0.54),
            segment(14.3, 20.7, "jump", 0.75),
            segment(30.0, 31.0, "throw", 0.2),
            segment(40.0, 45.0, "jump", 0.1),
        ),
        "duration_s": 60.0,
        "threshold": 0.5,
        "path": DEMO,
        "truth": (Instance(4.5, 6.0, "throw"), Instance(50.0, 52.0, "jump")),
        "curves": curves(("throw", "stand up", "jump", "never")),
    }
    return ReportVideo(**{**known, **changes})


def demo_report(*videos: ReportVideo, **changes: Any) -> Report:
    model = {"name": "samples", "method": "acrnet", "plugins": [], "supervision": "video-level"}
    return Report("demo", videos or (demo(),), model=model, spec={"backbone": "i3d-mini", "flow": "dis"}, **changes)


def many(count: int, classes: int = 12, duration_s: float = 3600.0) -> ReportVideo:
    labels = tuple(f"action {number:02}" for number in range(classes))
    made = [
        segment(
            at := duration_s * index / (count + 1), at + 2 + index % 7, labels[index % classes], (index % 101) / 100
        )
        for index in range(count)
    ]
    return ReportVideo("many", tuple(made), duration_s, 0.0, curves=curves(labels, duration_s, 9000))


def data_of(page: str) -> Any:
    """What the page's program reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])
