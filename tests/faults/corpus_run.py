"""The corpus through the real pipeline, and what is wrong with what came of each case."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file

import wtalkit
from tests.faults.corpus_case import DAMAGE, FRAME_S, Case, Expected, Outcome
from tests.faults.corpus_sources import FPS, WINDOW_FRAMES, Workshop
from tests.faults.runs import children, peak_bytes
from tests.faults.videos import read_number
from wtalkit.backbones import BACKBONES, Backbone, InceptionI3D, load_backbone
from wtalkit.errors import InputError
from wtalkit.features import read_features
from wtalkit.inputs import Input
from wtalkit.status import VideoStatus, read_status
from wtalkit.video import Decoder, DecodeReport

PATIENCE_S = 20.0
"""Seconds without a sign of life after which a decoder counts as hung."""
MOST_S = 30.0
"""Seconds a case may take, on a busy machine: the usual is a tenth of one."""
_NOT_ALLOWED = re.compile(r"crashed|timeout|defect|Traceback|Error\b")


@dataclass(frozen=True)
class Seen:
    """What came of one case.

    Attributes:
        strict: its status with ``--on-partial error``.
        kept: its status with ``--on-partial keep``.
        seconds: it took at most, of both.
        numbers: that the pictures at a constant rate show; None where it cannot be decoded.
        report: of that decoding.
        rows: of features kept; None without.
    """

    strict: VideoStatus
    kept: VideoStatus
    seconds: float
    numbers: tuple[int, ...] | None
    report: DecodeReport | None
    rows: int | None

    @property
    def outcome(self) -> Outcome:
        """By what was kept."""
        return {"done": "whole", "partial": "partial"}.get(self.kept.state, "refused")  # type: ignore[return-value]

    @property
    def crashed(self) -> bool:
        """The decoder's process died."""
        return any("crashed" in str(status.cause) for status in (self.strict, self.kept))

    @property
    def hung(self) -> bool:
        """It gave no sign of life, or took far too long."""
        return self.seconds > MOST_S or any("timeout" in str(status.cause) for status in (self.strict, self.kept))


@dataclass
class Use:
    """What the processes held, sampled after each video.

    Attributes:
        handles: open files of this process, at the start and at the end.
        children: processes that are left.
        parent: bytes resident in this process, after each video.
        decoder: bytes resident in a decoder that decodes the corpus twice: after each video.
        decoder_peak: the most that any decoder held.
        parent_peak: the most that this process held.
    """

    handles: list[int] = field(default_factory=list)
    children: int = 0
    parent: list[int] = field(default_factory=list)
    decoder: list[int] = field(default_factory=list)
    decoder_peak: int = 0
    parent_peak: int = 0


def tiny_backbone(folder: Path) -> Backbone:
    """The smallest backbone, with weights that were never trained."""
    torch.manual_seed(0)
    network = InceptionI3D(3, 5, width=BACKBONES["i3d-mini"].width)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, folder / "rgb.safetensors")
    return load_backbone("i3d-mini", flow="none", weights=folder)


def make(cases: Sequence[Case], folder: Path) -> dict[str, Expected]:
    """Write all files into ``folder/videos``."""
    for name in ("videos", "good"):
        (folder / name).mkdir(parents=True)
    workshop = Workshop(folder / "good")
    return {case.name: case.build(workshop, folder / "videos" / case.name) for case in cases}


def run(
    cases: Sequence[Case], expected: dict[str, Expected], folder: Path, backbone: Backbone
) -> tuple[dict[str, Seen], Use]:
    """Extract every file twice, decode it twice more, and look at what is left."""
    use = Use()
    seconds: dict[str, float] = {}
    use.handles.append(_handles())
    inputs = [Input(case.name, folder / "videos" / case.name) for case in cases]
    for choice in ("keep", "error"):
        begun: dict[str, float] = {}

        def started(video: Input, begun: dict[str, float] = begun) -> None:
            begun[video.key] = time.monotonic()

        def finished(video: Input, _: str, begun: dict[str, float] = begun) -> None:
            took = time.monotonic() - begun[video.key]
            seconds[video.key] = max(took, seconds.get(video.key, 0.0))
            use.parent.append(resident("self"))
            for child in children():
                with suppress(OSError, StopIteration):
                    use.decoder_peak = max(use.decoder_peak, peak_bytes(child))

        wtalkit.extract(
            inputs,
            folder / choice,
            backbone=backbone,
            flow="none",
            fps=FPS,
            stride=WINDOW_FRAMES,
            on_partial=choice,  # type: ignore[arg-type]
            timeout_s=PATIENCE_S,
            started=started,
            finished=finished,
        )
    shown = _decode_all(cases, expected, folder, use)
    use.handles.append(_handles())
    use.children = len(children())
    use.parent_peak = peak_bytes("self")
    strict, kept = read_status(folder / "error"), read_status(folder / "keep")
    seen = {}
    for case in cases:
        array = folder / "keep" / f"{case.name}.npy"
        rows = len(read_features(array).array) if array.exists() else None
        seen[case.name] = Seen(strict[case.name], kept[case.name], seconds[case.name], *shown[case.name], rows)
    return seen, use


def _decode_all(
    cases: Sequence[Case], expected: dict[str, Expected], folder: Path, use: Use
) -> dict[str, tuple[tuple[int, ...] | None, DecodeReport | None]]:
    shown: dict[str, tuple[tuple[int, ...] | None, DecodeReport | None]] = {}
    with closing(Decoder()) as decoder:
        for _ in range(2):
            for case in cases:
                shown[case.name] = _decode(decoder, folder / "videos" / case.name, expected[case.name].stretched)
                for child in children():
                    with suppress(OSError, StopIteration):
                        use.decoder.append(resident(child))
                        use.decoder_peak = max(use.decoder_peak, peak_bytes(child))
    return shown


def _decode(decoder: Decoder, path: Path, stretched: bool) -> tuple[tuple[int, ...] | None, DecodeReport | None]:
    numbers: list[int] = []
    try:
        with decoder.decode(path, FPS, patience_s=PATIENCE_S) as decoding:
            for chunk in decoding:
                for image in chunk.images:
                    drawn = cv2.resize(image, (64, 48)) if stretched else image
                    numbers.append(read_number(np.asarray(drawn, np.uint8)) if min(drawn.shape[:2]) >= 8 else -1)
        return tuple(numbers), decoding.report
    except InputError:
        return None, None


def faults_of(expected: Expected, seen: Seen) -> list[str]:
    """Sentences about what is not as it must be; empty if all is."""
    found = [f"{word} in: {status.cause}" for status in (seen.strict, seen.kept) for word in _wrong_words(status)]
    if seen.hung:
        found.append(f"took {seen.seconds:.1f} s")
    if seen.outcome not in expected.outcomes:
        return [*found, f"is {seen.outcome}, not {' or '.join(sorted(expected.outcomes))}: {seen.kept.cause}"]
    if seen.strict.state != ("done" if seen.outcome == "whole" else "failed"):
        found.append(f"state {seen.strict.state} without --on-partial keep")
    checks: dict[Outcome, Callable[[Expected, Seen], list[str]]] = {
        "whole": _whole_faults,
        "partial": _partial_faults,
        "refused": _refusal_faults,
    }
    found += checks[seen.outcome](expected, seen)
    return found if seen.outcome == "refused" else [*found, *_time_faults(expected, seen)]


def _wrong_words(status: VideoStatus) -> list[str]:
    return _NOT_ALLOWED.findall(str(status.cause))


def _refusal_faults(expected: Expected, seen: Seen) -> list[str]:
    # Kept, a partial video may still be too short, and without that choice it is told as partial.
    sentences = [str(seen.kept.cause), str(seen.strict.cause)]
    pattern = expected.cause if "partial" not in expected.outcomes else f"{expected.cause}|{DAMAGE}"
    return [f"says: {sentence}" for sentence in sentences if not re.search(pattern, sentence)]


def _partial_faults(expected: Expected, seen: Seen) -> list[str]:
    found = [f"says: {status.cause}" for status in (seen.kept, seen.strict) if not re.search(DAMAGE, str(status.cause))]
    if "Use --on-partial keep" not in str(seen.strict.cause):
        found.append(f"names no remedy: {seen.strict.cause}")
    if seen.strict.gaps != seen.kept.gaps or seen.strict.decoded_s != seen.kept.decoded_s:
        found.append("two runs differ in what is missing")
    return found


def _whole_faults(expected: Expected, seen: Seen) -> list[str]:
    found = [] if seen.kept.cause is None and not seen.kept.gaps else [f"whole, but {seen.kept.cause}"]
    if expected.warning and not any(re.search(expected.warning, warning) for warning in seen.kept.warnings):
        found.append(f"warns of {seen.kept.warnings}")
    return found


def _time_faults(expected: Expected, seen: Seen) -> list[str]:
    if seen.report is None or seen.numbers is None or seen.rows is None:
        return ["cannot be decoded a second time"]
    found = []
    duration_s = seen.report.duration_s
    least, most = expected.duration_s
    if not least <= duration_s <= most:
        found.append(f"lasts {duration_s:.3f} s, not {least:.2f} to {most:.2f} s")
    if seen.rows != max(1, round(duration_s * FPS)) // WINDOW_FRAMES:
        found.append(f"{seen.rows} rows of {duration_s:.2f} s")
    gaps = seen.report.gaps
    if list(gaps) != sorted(gaps) or any(not 0 <= start < end for start, end in gaps):
        found.append(f"gaps {gaps}")
    if expected.times_s is not None:
        found += _picture_faults(expected, seen.numbers, gaps)
    return found


def _picture_faults(expected: Expected, numbers: Sequence[int], gaps: Sequence[tuple[float, float]]) -> list[str]:
    """Whether the pictures are those of their times, within a frame."""
    times_s = expected.times_s
    assert times_s is not None
    early, late = expected.shift_s
    wrong = []
    checked = 0
    for index, number in enumerate(numbers):
        now_s = index / FPS
        must_be = expected.right_after_s is not None and now_s >= expected.right_after_s
        missing = any(start - FRAME_S <= now_s < end + FRAME_S for start, end in gaps)
        unsure = any(start <= now_s < end for start, end in expected.unsure_s)
        if (unsure or missing) and not must_be:
            continue
        checked += 1
        right = 0 <= number < len(times_s)
        if right:
            late_s = times_s[number] - now_s
            right = max(early - late_s, late_s - late) <= max(FRAME_S, _step_s(times_s, number) / 2) + 1e-3
        if not right:
            wrong.append(f"{number} at {now_s:.2f} s")
    if wrong:
        return [f"wrong pictures: {', '.join(wrong[:4])} ({len(wrong)} of {checked})"]
    return []


def _step_s(times_s: Sequence[float], number: int) -> float:
    """To the frame before or after, whichever is farther."""
    around = times_s[max(0, number - 1) : number + 2]
    return max((after - before for before, after in pairwise(around)), default=0.0)


def resident(process: int | str) -> int:
    """Bytes of a process that lie in memory now."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])


def _handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
