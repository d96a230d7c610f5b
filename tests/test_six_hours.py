"""A video of six hours on a laptop: memory of one window, snippets in their order, segments that can be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from tests.methods.tiny import small
from wtalkit.bench.memory import peak_growth
from wtalkit.features import FeatureFile, FeatureRecord, FeatureSpec, read_features, write_features
from wtalkit.localization import DecoderSettings, decode
from wtalkit.methods import METHODS, run_windows
from wtalkit.methods.composition import Composition
from wtalkit.methods.windows import Activations
from wtalkit.segments import Segment

SNIPPETS = 33_750  # 6 h of 0.64 s
WINDOW = 500
NAMES = [name for name, entry in METHODS.items() if entry.role in ("base", "plugin") and entry.available]
CLASSES = tuple("abcde")
ATTENTION_BYTES = SNIPPETS * SNIPPETS * 4  # of one head over the whole video: 4.6 GB
MOST_BYTES = 128 * 2**20
SPEC = FeatureSpec(
    fps=25, window=16, stride=16, streams=("rgb", "flow"), dim=64, backbone="i3d", weights_hash="0" * 16, flow="tvl1"
)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> FeatureFile:
    """Features that are mapped, as those of full width would be."""
    folder = tmp_path_factory.mktemp("film")
    array = np.random.default_rng(0).random((SNIPPETS, SPEC.dim), dtype=np.float32)
    record = FeatureRecord(spec=SPEC, video="film.mp4", duration_s=SNIPPETS * 0.64, frames=SNIPPETS * 16)
    path = write_features(folder, "film", array, record)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wtalkit.features.store.MAPPED_BYTES", 0)
        found = read_features(path)
    assert isinstance(found.array, np.memmap)
    return found


def grown_by(action: Callable[[], object]) -> int:
    """Bytes of memory that ``action`` needed at most, beyond what the process held before."""
    grown = peak_growth(action)
    if grown is None:
        pytest.skip("this system does not tell a process its peak memory anew")
    return grown


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest) -> Iterator[Composition]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield small(request.param).eval()
    torch.set_num_threads(threads)


def run(model: Composition, array: np.ndarray) -> Activations:
    return run_windows(model, array, SPEC.timeline, max_length=WINDOW)


def test_the_peak_is_seen() -> None:
    assert grown_by(lambda: np.ones(MOST_BYTES, np.uint8)) > MOST_BYTES * 0.9


def test_memory_is_that_of_a_window(model: Composition, film: FeatureFile) -> None:
    settings = DecoderSettings.from_dict(model.decoder_settings())
    segments: list[Segment] = []
    found = [run(model, film.array[:WINDOW])]  # buffers that stay are there now

    def detect() -> None:
        found.append(run(model, film.array))
        segments.extend(_decoded(found[-1], settings))

    grown = grown_by(detect)
    assert grown < MOST_BYTES < ATTENTION_BYTES / 30
    activations = found[-1]
    assert activations.act_scores.shape == (SNIPPETS, len(CLASSES))
    for curve in (activations.act_scores, activations.attn, activations.video_scores):
        assert np.isfinite(curve).all()
    assert segments, "random curves have runs above the levels"
    scores = [segment.score for segment in segments]
    assert np.isfinite(scores).all() and scores == sorted(scores, reverse=True)
    for segment in segments:
        assert 0 <= segment.start_s < segment.end_s <= SNIPPETS * 0.64
    assert max(segment.end_s for segment in segments) > 5.9 * 3600
    assert min(segment.start_s for segment in segments) < 0.1 * 3600


def _decoded(activations: Activations, settings: DecoderSettings) -> list[Segment]:
    return decode(
        activations.act_scores,
        activations.attn,
        activations.video_scores,
        classes=CLASSES,
        timeline=SPEC.timeline,
        duration_s=SNIPPETS * 0.64,
        settings=settings,
        plugin_attn=activations.plugin_attn,
        score_logits=activations.score_logits,
    )


def test_snippets_stay_where_they_are(model: Composition, film: FeatureFile) -> None:
    """What happens in the fifth hour changes the curves there, and nowhere else."""
    place = slice(28_000, 28_010)
    changed = np.array(film.array[26_000:30_000])
    before = run(model, changed)
    changed[place.start - 26_000 : place.stop - 26_000] += 3
    after = run(model, changed)
    moved = np.nonzero(np.abs(after.act_scores - before.act_scores).max(axis=1))[0] + 26_000
    assert moved.size
    assert place.start - WINDOW <= moved.min() <= place.start
    assert place.stop <= moved.max() + 1 <= place.stop + WINDOW
