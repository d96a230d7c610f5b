"""The bundled pair of backbone and localizer, as someone who just installed wtalkit meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

import wtalkit
from wtalkit import zoo
from wtalkit.annotations import load_annotations
from wtalkit.modelfile import read_header

SAMPLES = Path(__file__).resolve().parents[1] / "samples"


def iou(a: tuple[float, float], b: tuple[float, float]) -> float:
    inner = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return inner / (max(a[1], b[1]) - min(a[0], b[0]))


def test_weights_are_small_and_say_where_they_come_from() -> None:
    assert sum(f.stat().st_size for f in zoo.bundled_dir().rglob("*.safetensors")) < 30_000_000
    header = read_header(zoo.bundled_models()["samples"])
    assert header.provenance["training_videos"] == 40
    assert header.display_threshold is not None
    assert header.feature_spec is not None
    assert header.feature_spec["backbone"] == "i3d-mini"


@pytest.mark.slow
def test_the_demo_video_shows_what_happens_in_it() -> None:
    """Most of what a person sees is right, and most of what happens is seen."""
    found = wtalkit.detect(SAMPLES / "match.mp4", model="samples")
    truth = load_annotations(SAMPLES / "annotations.json").videos["match"].segments
    assert found.duration_s == pytest.approx(60.0, abs=0.05)
    pairs = [(s, t) for s in found for t in truth if s.label == t.label]
    hits = [(s, t) for s, t in pairs if iou((s.start_s, s.end_s), (t.start_s, t.end_s)) >= 0.3]
    assert len({id(t) for _, t in hits}) >= 0.5 * len(truth), [str(s) for s in found]
    assert len({id(s) for s, _ in hits}) >= 0.5 * len(found), [str(s) for s in found]
