"""Acceptance case 11: whatever the container does with time, frames and features stand at their true seconds.

Every video is coded without loss and carries the numbers of its frames. Beside each lies what a constant-rate re-encode
would be: for every instant k / 12.5 s the frame that is shown nearest to it, chosen here from the true times.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests import toys
from tests.faults.videos import read_number, write_numbered
from wtalkit.cli import main
from wtalkit.features import FeatureFile, read_features
from wtalkit.video import FrameStream, VideoReader

Array = NDArray[np.float32]

RATE = 12.5
LOSSLESS: dict[str, Any] = {"pix_fmt": "yuv444p", "qp": "0"}
IRREGULAR_MS = list(np.cumsum([0] + [(17, 40, 90, 33, 8, 120)[index % 6] for index in range(59)]))


@dataclass(frozen=True)
class Variant:
    """A video that is odd in one way.

    Attributes:
        name: of the file.
        times_s: when each number is shown, the first at 0.
        options: of ``write_numbered``.
        reference: options of its re-encode where they are not the same.
        tolerance: by how much features may differ, root mean square, as a share of their own.
        numbers: of the frames, where they do not begin with 0.
    """

    name: str
    times_s: Sequence[float]
    options: dict[str, Any] = field(default_factory=dict)
    reference: dict[str, Any] = field(default_factory=dict)
    tolerance: float = 0.0
    numbers: Sequence[int] = range(60)

    @property
    def last_s(self) -> float:
        """How long the last frame is shown."""
        return 0.04 if "times_ms" in self.options else self.times_s[-1] - self.times_s[-2]


def constant(fps: Fraction | int, frames: int = 60) -> list[float]:
    return [float(index / fps) for index in range(frames)]


def in_ms(fps: Fraction, frames: int = 60) -> list[float]:
    return [math.floor(1000 * index / fps + Fraction(1, 2)) / 1000 for index in range(frames)]


NTSC, NTSC_FIELDS = Fraction(24000, 1001), Fraction(60000, 1001)
# What is coded without loss and at the same size gives the same pictures and so the same features, to the last bit.
# Not so where a picture is turned after it is scaled, and where colours of 10 bits are rounded: measured 0.0008 and
# 0.0006. One frame's shift makes 0.12.
ROUNDED, SHIFTED = 0.002, 0.05
VARIANTS = [
    Variant("vfr.mp4", [ms / 1000 for ms in IRREGULAR_MS], {"times_ms": IRREGULAR_MS}),
    Variant("vfr.mkv", [ms / 1000 for ms in IRREGULAR_MS], {"times_ms": IRREGULAR_MS}),
    Variant("film.mp4", constant(NTSC), {"fps": NTSC}),
    Variant("film.mkv", in_ms(NTSC), {"fps": NTSC}),  # all that Matroska notes
    Variant("fifty.mp4", constant(50, 120), {"fps": 50}, numbers=range(120)),
    Variant("ntsc.mp4", constant(NTSC_FIELDS, 120), {"fps": NTSC_FIELDS}, numbers=range(120)),
    Variant("late.mkv", constant(25), {"start": 50}),  # the clock starts at 2 s
    Variant("late.mp4", constant(25), {"start": 50}),  # an empty edit before the first frame
    Variant("late.ts", constant(25), {"start": 50}),
    Variant("reordered.mp4", constant(25), {"bf": "3", "preset": "medium"}),  # an edit list shifts the B-frames
    Variant("edited.mp4", constant(25, 50), {"bf": "0"}, numbers=range(10, 60)),  # and this one drops 0.4 s
    Variant("turned.mp4", constant(25), {"rotation": 90, "turned": 3}, tolerance=ROUNDED),
    Variant("odd.mp4", constant(25), {"size": (67, 49)}),
    Variant("deep.mkv", constant(25), {"pix_fmt": "yuv444p10le"}, {"pix_fmt": "yuv444p"}, tolerance=ROUNDED),
    Variant("fields.mp4", constant(25), {"x264-params": "tff=1"}),
]
NAMES = [variant.name for variant in VARIANTS]


def reference_numbers(variant: Variant) -> list[int]:
    """Of a constant rate: the number shown nearest to each instant, the earlier of two equally near ones."""
    times_s = np.array(variant.times_s)
    instants = np.arange(max(1, round((times_s[-1] + variant.last_s) * RATE))) / RATE
    distances = np.abs(times_s[None] - instants[:, None])
    nearest = [int(np.flatnonzero(row <= row.min() + 1e-6)[0]) for row in distances]
    return [variant.numbers[index] for index in nearest]


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All variants in ``videos``, their re-encodes in ``videos/cfr``, extracted by one command into ``feats``."""
    folder = tmp_path_factory.mktemp("time")
    for variant in VARIANTS:
        path = folder / "videos" / variant.name
        if variant.name == "edited.mp4":
            edited(path, variant)
        else:
            write_numbered(path, variant.numbers, **{**LOSSLESS, **variant.options})
        write_re_encoded(folder, variant.name, reference_numbers(variant), {**variant.options, **variant.reference})
    write_re_encoded(folder, "shifted", [number + 1 for number in reference_numbers(VARIANTS[NAMES.index("late.mkv")])])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WTALKIT_MODELS", str(toys.REPOSITORY / "models"))  # random weights hardly see what moves
        patch.chdir(folder)
        code = main(["extract", "videos", "--out", "feats", "--backbone", "i3d-mini", "--flow", "none", "--quiet"])
    assert code == 0
    yield folder
    shutil.rmtree(folder)


def write_re_encoded(folder: Path, name: str, numbers: Sequence[int], options: Mapping[str, Any] | None = None) -> None:
    path = folder / "videos" / "cfr" / f"{name.replace('.', '-')}.mp4"
    kept = {name: value for name, value in (options or {}).items() if name in ("size", "pix_fmt")}
    write_numbered(path, numbers, fps=Fraction(25, 2), **{**LOSSLESS, **kept})


def edited(path: Path, variant: Variant) -> None:
    """60 frames of which the edit list shows those from the tenth on."""
    write_numbered(path, range(60), **{**LOSSLESS, **variant.options})
    content = bytearray(path.read_bytes())
    entry = content.index(b"elst") + 12  # after the name: version and flags, count
    duration, start = (int.from_bytes(content[at : at + 4], "big") for at in (entry, entry + 4))
    media = content.index(b"mdhd") + 16
    timescale = int.from_bytes(content[media : media + 4], "big")
    content[entry : entry + 4] = (duration * 50 // 60).to_bytes(4, "big")
    content[entry + 4 : entry + 8] = (start + timescale * 10 // 25).to_bytes(4, "big")
    path.write_bytes(content)


@pytest.mark.parametrize("variant", VARIANTS, ids=NAMES)
def test_case_11_frames_at_their_true_times(variant: Variant, extracted: Path) -> None:
    """Every frame's time is that of the number burnt into it, within one frame (measured: a millisecond)."""
    with VideoReader(extracted / "videos" / variant.name) as reader:
        frames = [(frame.pts_s, read_number(frame.image)) for frame in reader.frames()]
    assert reader.report.complete
    assert [number for _, number in frames] == list(variant.numbers)
    off = [abs(time_s - variant.times_s[number - variant.numbers[0]]) for time_s, number in frames]
    assert max(off) < 0.0011
    resampled = [read_number(image) for image in FrameStream(extracted / "videos" / variant.name, RATE)]
    assert resampled == reference_numbers(variant)


@pytest.mark.parametrize("variant", VARIANTS, ids=NAMES)
def test_case_11_features_of_a_constant_rate(variant: Variant, extracted: Path) -> None:
    """Features are those of a constant-rate re-encode, and stand in a record of the true length."""
    found, reference = features(extracted, variant), re_encoded(extracted, variant.name)
    assert found.record is not None and found.record.complete
    assert found.record.frames == len(reference_numbers(variant))
    assert found.record.duration_s == pytest.approx(variant.times_s[-1] + variant.last_s, abs=0.0011)
    assert found.array.shape == reference.shape
    assert len(reference) >= 3
    assert difference(found.array, reference) <= variant.tolerance


def test_case_11_a_frames_shift_would_be_seen(extracted: Path) -> None:
    """The tolerance tells a shift of one frame from rounding."""
    assert difference(re_encoded(extracted, "shifted"), re_encoded(extracted, "late.mkv")) > SHIFTED > 10 * ROUNDED


def features(folder: Path, variant: Variant) -> FeatureFile:
    twice = [Path(name).stem for name in NAMES].count(Path(variant.name).stem) > 1  # such keys keep their extensions
    return read_features(folder / "feats" / f"{variant.name if twice else Path(variant.name).stem}.npy")


def re_encoded(folder: Path, name: str) -> Array:
    return read_features(folder / "feats" / "cfr" / f"{name.replace('.', '-')}.npy").array


def difference(found: Array, expected: Array) -> float:
    return float(np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)))
