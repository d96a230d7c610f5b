"""Real clips of many codecs through the whole chain, and I3D of full size on one of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.parity.test_i3d import weight
from wtalkit.backbones import InceptionI3D

PROBE_CLIPS = 24
TOO_SHORT = {  # fewer than 16 frames at 12.5 fps
    *("video_0", "video_90", "video_180", "unordered", "realshort"),
    *("bt709_full_range", "h264_10bits", "h265_10bits", "h265_video"),
}


def wtalkit(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "wtalkit", *words], capture_output=True, text=True, check=False)


def rule_weights(folder: Path) -> None:
    """Weights of the public files' names and shapes, made by the rule of the parity fixtures."""
    folder.mkdir(parents=True)
    for stream, channels in (("rgb", 3), ("flow", 2)):
        with torch.device("meta"):
            shapes = {name: list(value.shape) for name, value in InceptionI3D(channels).state_dict().items()}
        state = {name: weight(stream, name, shape, 0) for name, shape in shapes.items() if "num_batches" not in name}
        torch.save(state, folder / f"{stream}_imagenet.pt")


@pytest.mark.slow
def test_i3d_of_full_size_on_a_real_clip(shared_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WTALKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    rule_weights(tmp_path / "cache" / "weights" / "i3d")
    clip = shared_dir / "videos" / "realshort.mp4"
    result = wtalkit("extract", str(clip), "--out", "feats", "--backbone", "i3d", "--offline")
    assert result.returncode == 0, result.stderr
    array = np.load("feats/realshort.npy", allow_pickle=False)
    record = json.loads(Path("feats/realshort.json").read_text())
    assert array.shape == (1, 2048)
    assert array.dtype == np.float32
    assert np.isfinite(array).all()
    assert array.std() > 0.1
    assert (record["backbone"], record["fps"], record["flow"], record["resize"]) == ("i3d", 25.0, "tvl1", 256)
    assert (record["crop"], record["frames"], record["streams"]) == (224, 30, ["rgb", "flow"])


@pytest.mark.slow
def test_every_real_clip_gets_a_result_or_a_named_failure(
    shared_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WTALKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    result = wtalkit("detect", str(shared_dir / "videos"), "--json", "--offline")
    assert result.returncode == 1, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    videos, failures = answer["external_data"]["videos"], answer["external_data"]["failures"]
    assert len(videos) + len(failures) == PROBE_CLIPS
    assert all(entry["cause"] for entry in failures)
    failed = {Path(entry["path"]).stem for entry in failures}
    assert "corrupted" in failed
    assert failed - {"corrupted"} == TOO_SHORT
    assert "demo model" in result.stderr
    for key, segments in answer["results"].items():
        assert all(0 <= s["segment"][0] < s["segment"][1] <= videos[key]["duration"] for s in segments)
