from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wtalkit.cli import main
from wtalkit.cli.progress import VideoProgress
from wtalkit.inputs import Input


def test_extraction_ends_with_the_next_step(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("videos/empty.mp4").touch()
    assert main(["extract", "videos/", "--out", "feats/", "--workers", "1"]) == 1
    captured = capsys.readouterr()
    assert "videos/empty.mp4: " in captured.err
    assert captured.err.splitlines()[0].startswith("features i3d-mini (wtalkit.toml) + dis · cpu")
    assert captured.err.count("done in") == 3
    assert captured.out.splitlines()[-1] == (
        "3 videos extracted to feats, 1 failed. Next: wtalkit train --method clasnet"
    )
    assert np.load("feats/a.npy").dtype == np.float32
    assert json.loads(Path("feats/a.json").read_text())["flow"] == "dis"
    Path("videos/empty.mp4").unlink()
    assert main(["extract", "videos/", "--out", "feats/", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["extract", "videos/", "--out", "feats/", "--stride", "8"]) == 2
    assert "stride 8 and 4" in capsys.readouterr().err


def test_without_i3d_in_the_cache_the_bundled_network_warns(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("wtalkit.toml").write_text('flow = "none"')
    assert main(["extract", "gone.mp4", "--out", "feats"]) == 1
    captured = capsys.readouterr()
    assert "warning: the bundled i3d-mini knows rendered clips only" in captured.err
    assert "gone.mp4: no such file" in captured.err


def test_missing_weights_name_the_place_for_them(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", "videos", "--out", "feats", "--backbone", "i3d", "--offline"]) == 3
    assert "cache/weights/i3d/rgb_imagenet.pt: the rgb weights of i3d are not there" in capsys.readouterr().err


def test_cuda_is_never_quietly_the_cpu(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    assert main(["extract", "videos", "--out", "feats", "--device", "cuda"]) == 3
    assert main(["detect", "videos/a.mp4", "--device", "cuda"]) == 3
    assert "device 'cuda' is not to be had" in capsys.readouterr().err
    assert not Path("feats").exists()


def test_ctrl_c_says_how_to_go_on(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wtalkit.cli.progress import VideoProgress
    from wtalkit.extraction import VideoFeaturizer

    whole, shown = VideoFeaturizer.pour, VideoProgress.done
    first_is_through = threading.Event()

    def stopped(self: VideoFeaturizer, video: Input, *rest: Any) -> object:
        if video.key != "a":
            first_is_through.wait(60)
            raise KeyboardInterrupt
        return whole(self, video, *rest)

    def done(self: VideoProgress, *video: Any) -> None:
        shown(self, *video)
        first_is_through.set()

    monkeypatch.setattr(VideoFeaturizer, "pour", stopped)
    monkeypatch.setattr(VideoProgress, "done", done)
    assert main(["extract", "videos", "--out", "feats"]) == 130
    assert "stopped: 1 video done, 2 left. The same command goes on." in capsys.readouterr().err
    assert sorted(path.name for path in Path("feats").iterdir()) == ["a.json", "a.npy", "status.jsonl"]


def test_sigterm_stops_in_order_too(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch systems and containers send it some seconds before they kill."""
    from wtalkit.extraction import Progress, VideoFeaturizer
    from wtalkit.extraction.lanes import Lane

    def asked_to_end(self: VideoFeaturizer, _: object, lane: Lane, *rest: object) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        while True:  # until the main thread has noticed and given the job up
            lane.tell(Progress("a", Path("a"), 0, None, 0.0, 0.0, 0.0))
            time.sleep(0.01)

    monkeypatch.setattr(VideoFeaturizer, "pour", asked_to_end)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["extract", "videos", "--out", "feats"]) == 143
    assert "The same command goes on." in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_disk_too_small_is_told_early(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    little = shutil.disk_usage(Path())._replace(free=10_000)
    ask = VideoProgress.look_ahead

    def ask_first(self: VideoProgress, *given: Any) -> None:  # these videos may be through before their lengths are
        ask(self, *given)
        assert self._prober is not None
        self._prober.join()

    monkeypatch.setattr(VideoProgress, "look_ahead", ask_first)
    with monkeypatch.context() as patch:
        patch.setattr("wtalkit.cli.extract.shutil.disk_usage", lambda _: little)
        assert main(["extract", "videos", "--out", "feats"]) == 0
    told = capsys.readouterr().err
    need = sum(path.stat().st_size - 128 for path in Path("feats").glob("*.npy"))  # without the headers
    assert f"warning: the features need about {need / 1e9:.2g} GB more, 1e-05 GB are free in " in told
    assert main(["extract", "videos", "--out", "feats", "--overwrite"]) == 0
    assert "warning: the features need" not in capsys.readouterr().err
