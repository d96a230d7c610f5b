from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from wtalkit.backbones import Backbone, preprocess_flow, preprocess_rgb
from wtalkit.backbones.preprocess import to_gray
from wtalkit.errors import ConfigError, InputError
from wtalkit.extraction import PartialVideo, Progress, VideoFeaturizer
from wtalkit.extraction.compute import CpuCompute
from wtalkit.flow import FlowAlgorithm, get_flow
from wtalkit.inputs import Input
from wtalkit.video import FrameStream

MakeVideo = Callable[..., Path]


def shift_flow(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A stand-in for flow that is instant and depends on both frames."""
    difference = (b.astype(np.float32) - a.astype(np.float32)) / 16
    return np.stack([difference, -difference])


QUICK = FlowAlgorithm("dis", "test", shift_flow)


def test_a_trimmed_clip_gets_the_features_training_would_compute(make_video: MakeVideo, mini: Backbone) -> None:
    clip = make_video("clip.mp4", frames=16)
    found = VideoFeaturizer(mini, "dis").features(clip)

    frames = np.stack(list(FrameStream(clip, 12.5, short_side=96)))
    grays = [to_gray(frame) for frame in frames]
    pair = get_flow("dis").pair
    fields = [pair(a, b) for a, b in pairwise(grays)]
    fields.append(fields[-1])
    rgb = preprocess_rgb(frames[None], mini.spec)
    flow = preprocess_flow(np.stack(fields)[None], mini.spec)
    with torch.inference_mode():
        parts = [mini._models["rgb"].extract_features(rgb), mini._models["flow"].extract_features(flow)]
    by_hand = torch.cat([part.flatten(1) for part in parts], dim=1).numpy()

    assert found.array.shape == (1, 512)
    np.testing.assert_allclose(found.array, by_hand, rtol=1e-4, atol=1e-5)
    assert found.array[:, :256].std() > 0
    assert found.array[:, 256:].std() > 0


def test_every_window_sees_its_own_frames(make_video: MakeVideo, mini: Backbone) -> None:
    frames = 52  # 10 windows, so two batches
    clip = make_video("clip.mp4", frames=frames)
    found = VideoFeaturizer(mini, QUICK, workers=2).features(clip)
    assert found.array.shape == (10, 512)

    images = np.stack(list(FrameStream(clip, 12.5, short_side=96)))
    grays = [to_gray(image) for image in images]
    fields = np.stack([shift_flow(a, b) for a, b in zip(grays, [*grays[1:], grays[-1]], strict=True)])
    fields[-1] = fields[-2]
    for row, first in enumerate(range(0, frames - 15, 4)):
        alone = mini.extract(images[None, first : first + 16], fields[None, first : first + 16])
        np.testing.assert_allclose(found.array[row], alone[0], rtol=1e-4, atol=1e-5, err_msg=f"window {row}")


@pytest.mark.parametrize("sizes", [[5, 5, 3], [1, 1, 1, 4], [7], [1]])
def test_fields_belong_to_their_frames_across_chunks(mini: Backbone, sizes: list[int]) -> None:
    """Exactly: a network with random weights hardly notices one wrong field of sixteen."""
    images = np.random.default_rng(0).integers(0, 256, (sum(sizes), 12, 16, 3), dtype=np.uint8)
    grays = [to_gray(image) for image in images]
    wanted = [shift_flow(one, two) for one, two in pairwise(grays)]
    wanted.append(wanted[-1] if wanted else np.zeros((2, 12, 16), np.float32))
    featurizer, compute = VideoFeaturizer(mini, QUICK), CpuCompute(mini, QUICK, workers=2)
    chunks = (torch.from_numpy(part) for part in np.split(images, np.cumsum(sizes)[:-1]))
    found = list(featurizer._stretches(chunks, compute))
    compute.close()
    np.testing.assert_array_equal(torch.cat([each.rgb for each in found]).numpy(), images)
    np.testing.assert_array_equal(
        np.concatenate([each.flow.numpy() for each in found if each.flow is not None]), wanted
    )


def test_the_record_says_how_it_went(make_video: MakeVideo, mini: Backbone) -> None:
    clip = make_video("clip.mp4", frames=24)
    record = VideoFeaturizer(mini, QUICK, stride=8).features(clip).record
    assert record is not None
    assert (record.frames, record.duration_s, record.complete) == (24, pytest.approx(24 / 12.5), True)
    assert record.video == "clip.mp4"
    assert record.source_bytes == clip.stat().st_size
    spec = record.spec
    assert (spec.fps, spec.window, spec.stride, spec.dim) == (12.5, 16, 8, 512)
    assert (spec.backbone, spec.flow, spec.flow_version) == ("i3d-mini", "dis", "test")
    assert spec.weights_hash == mini.weights_hash


def test_without_flow_there_is_one_stream(make_video: MakeVideo, mini_rgb: Backbone, mini: Backbone) -> None:
    clip = make_video("clip.mp4", frames=20)
    alone = VideoFeaturizer(mini_rgb, "none").features(clip)
    assert alone.array.shape == (2, 256)
    assert alone.record is not None
    assert (alone.record.spec.streams, alone.record.spec.flow) == (("rgb",), "none")
    both = VideoFeaturizer(mini, QUICK).features(clip)
    np.testing.assert_allclose(alone.array, both.array[:, :256], rtol=1e-4, atol=1e-5)


def test_a_two_stream_backbone_needs_flow(mini: Backbone) -> None:
    with pytest.raises(ConfigError, match="flow"):
        VideoFeaturizer(mini, "none")


@pytest.mark.parametrize("options", [{"stride": 0}, {"fps": -1.0}, {"on_partial": "hope"}])
def test_senseless_options_are_refused(mini: Backbone, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        VideoFeaturizer(mini, QUICK, **options)  # type: ignore[arg-type]


def test_features_that_are_no_numbers_are_not_written(
    make_video: MakeVideo, mini_rgb: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backbone, "features", lambda *_: torch.full((1, 256), torch.inf))
    with pytest.raises(InputError, match=r"not finite, computing in float32\. Extract with --precision float32"):
        VideoFeaturizer(mini_rgb, "none").features(make_video("clip.mp4", frames=20))


def test_one_run_at_a_time(make_video: MakeVideo, mini_rgb: Backbone) -> None:
    """Two would read each other's frames."""
    clip = make_video("clip.mp4", frames=40)
    featurizer = VideoFeaturizer(mini_rgb, "none")
    events = featurizer.run([Input("clip", clip)], featurizer.collect)
    next(events)
    with pytest.raises(RuntimeError, match="at work already"):
        featurizer.features(clip)
    events.close()
    assert featurizer.features(clip).array.shape == (7, 256)


def test_too_short(make_video: MakeVideo, mini: Backbone) -> None:
    clip = make_video("short.mp4", frames=10)
    with pytest.raises(InputError, match=r"short.mp4: too short \(10 < 16 frames\)"):
        VideoFeaturizer(mini, QUICK).features(clip)


def test_a_damaged_video_is_an_error_unless_kept(make_video: MakeVideo, mini_rgb: Backbone) -> None:
    clip = make_video("cut.mp4", frames=100)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.raises(PartialVideo, match=r"decoded \d.\d\d of 8.00 s.*Use --on-partial keep"):
        VideoFeaturizer(mini_rgb, "none").features(clip)

    kept = VideoFeaturizer(mini_rgb, "none", on_partial="keep").features(clip)
    assert kept.record is not None
    assert not kept.record.complete
    assert 16 <= kept.record.frames < 100
    assert kept.record.gaps
    assert kept.record.gaps[-1][1] == pytest.approx(8.0)
    assert any("of 8.00 s" in warning for warning in kept.record.warnings)


def test_frames_are_dropped_once_used(make_video: MakeVideo, mini: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of chunks alive at once does not depend on the length of the video."""
    alive: list[weakref.ref[torch.Tensor]] = []
    most = 0
    original = CpuCompute.load

    def watched(self: CpuCompute, images: np.ndarray) -> torch.Tensor:
        nonlocal most
        chunk = original(self, images)
        alive[:] = [ref for ref in alive if ref() is not None]
        alive.append(weakref.ref(chunk))
        most = max(most, len(alive))
        return chunk

    monkeypatch.setattr(CpuCompute, "load", watched)
    counts = []
    for frames in (200, 800):
        most = 0
        VideoFeaturizer(mini, QUICK, stride=16).features(make_video(f"{frames}.mp4", frames=frames))
        counts.append(most)
    assert 1 < counts[0] <= counts[1] <= 4


def test_progress_counts_up_to_the_end(make_video: MakeVideo, mini: Backbone) -> None:
    clip = make_video("clip.mp4", frames=40)
    seen: list[Progress] = []
    VideoFeaturizer(mini, QUICK, progress=seen.append).features(clip, "a/clip")
    assert [step.frames for step in seen] == sorted(step.frames for step in seen)
    assert seen[0].frames_expected == 40
    last = seen[-1]
    assert (last.key, last.frames, last.finished) == ("a/clip", 40, True)
    assert last.decode_fps > 0
    assert last.flow_pairs_per_s > 0


def test_a_failure_leaves_no_thread_behind(make_video: MakeVideo, mini: Backbone) -> None:
    def failing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        raise RuntimeError("flow broke")

    clip = make_video("clip.mp4", frames=40)
    with pytest.raises(RuntimeError, match="flow broke"):
        VideoFeaturizer(mini, FlowAlgorithm("dis", "test", failing)).features(clip)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("wtalkit")]
