"""What a job would take, against what it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wtalkit import extract
from wtalkit.cli.dry_run import show
from wtalkit.cli.terminal import Terminal
from wtalkit.errors import MachineError
from wtalkit.forecast import Forecast, VideoForecast, estimate

OUT = Path("feats")


def known(*videos: VideoForecast, rate: float | None = 50.0, free: int | None = 10**9) -> Forecast:
    return Forecast(videos, (), rate, 5.0, 2048, free, "cpu")


def video(key: str, frames: int | None, *, there: bool = False) -> VideoForecast:
    length_s = None if frames is None else frames / 25
    snippets = None if frames is None else frames // 16
    return VideoForecast(key, f"{key}.mp4", length_s, frames, snippets, there)


def test_it_foretells_what_extraction_writes(project: Path) -> None:
    found = estimate(["videos"], out=OUT)
    assert not OUT.exists()
    assert [(each.key, each.duration_s) for each in found.videos] == [("a", 3.0), ("b", 3.0), ("c", 3.0)]
    assert found.frames_per_s is not None
    assert found.seconds == pytest.approx(found.frames / found.frames_per_s)  # type: ignore[operator]
    assert 0 < found.seconds < 60
    extract(["videos"], OUT, backbone="i3d-mini", flow="dis")
    written = sum(path.stat().st_size for path in OUT.iterdir() if path.suffix in (".npy", ".json"))
    assert found.bytes == pytest.approx(written, rel=0.05)
    assert found.row_bytes * sum(each.snippets or 0 for each in found.videos) < written


def test_offline_asks_no_network(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.getaddrinfo", ask)
    Path("wtalkit.toml").unlink()
    assert estimate("videos", offline=True, trial_s=0).frames == 3 * 38
    with pytest.raises(MachineError, match="the weights of raft are not there"):
        estimate("videos", backbone="i3d-mini", flow="raft", offline=True, trial_s=0)


def test_what_is_there_needs_no_work(project: Path) -> None:
    extract(["videos/a.mp4"], OUT, backbone="i3d-mini", flow="dis")
    found = estimate("videos", out=OUT, trial_s=0)
    assert [each.key for each in found.to_do] == ["b", "c"]
    assert (found.frames_per_s, found.seconds) == (None, None)
    extract(["videos"], OUT, backbone="i3d-mini", flow="dis")
    found = estimate("videos", out=OUT)
    assert (found.to_do, found.seconds, found.frames_per_s) == ((), 0.0, None)


def test_inputs_that_are_missing_or_no_videos(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("videos/b.mp4").write_bytes(b"no video")
    found = estimate(["videos/a.mp4", "videos/b.mp4", "gone.mp4"], trial_s=1)
    assert [each.duration_s for each in found.videos] == [3.0, None]
    assert (found.unknown, found.frames) == (1, 2 * 38)
    assert found.frames_per_s is not None  # of the other one
    assert [each.path for each in found.failures] == ["gone.mp4"]
    assert show(Terminal(), found) == 1
    captured = capsys.readouterr()
    assert "work    2 videos, 0:06.0 of video, 76 frames after resampling; 1 input not there" in captured.out
    assert "disk" not in captured.out
    assert "1 video says not how long it is" in captured.err


def test_where_nothing_can_be_measured(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.mp4").write_bytes(b"no video")
    found = estimate("broken.mp4", out=OUT)
    assert (found.seconds, found.bytes, found.frames) == (None, None, None)
    assert show(Terminal(), found, out=OUT) == 0
    assert "time    unknown: nothing could be measured" in capsys.readouterr().out


def test_sums() -> None:
    found = known(video("a", 1600), video("b", None), video("c", 3200), video("d", 800, there=True))
    assert (found.unknown, found.frames, found.seconds) == (1, 7200, 144.0)
    assert found.bytes == 450 * 2048 + 3 * 700


def test_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    found = known(video("a", 90_000), video("d", 800, there=True), free=10**6)
    assert show(Terminal(), found, out=OUT, feature_files=2) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[:3] == [
        "work    1 video, 1:00:00.0 of video, 90,000 frames after resampling; 1 already there; "
        "2 feature files besides, which take a moment",
        "time    about 30:00.0 on cpu: 50 frames/s, measured in 5 s on the first videos",
        "disk    about 11.5 MB of features in feats; 0.0 GB are free",
    ]
    assert captured.err == "warning: the features need more than is free in feats\n"


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(Terminal(json=True), known(video("a", 1600))) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["seconds"], found["frames"], found["videos"][0]["key"]) == (32.0, 1600, "a")
