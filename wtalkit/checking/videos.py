"""Every frame of every video decoded, by the processes that decode for extraction; a hash of what it shows is kept.

A picture a second, made small, stands for the content: the same stream in another container gives the same ones.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from wtalkit.checking.report import CheckedVideo
from wtalkit.cores import available_cores
from wtalkit.extraction.lanes import Event, Lane, run_lanes
from wtalkit.extraction.progress import Progress
from wtalkit.inputs import Failure, Input, attempt
from wtalkit.timeline import Timeline
from wtalkit.video import PATIENCE_S, Decoder, Decoding, Limits, VideoInfo, describe_partial

if TYPE_CHECKING:
    from wtalkit.extraction.compute import Compute

_PICTURES_PER_S = 1.0
_SHORT_SIDE = 64


def check_videos(
    videos: Sequence[Input],
    timeline: Timeline,
    *,
    fast: bool = False,
    workers: int | None = None,
    limits: Limits | None = None,
    patience_s: float = PATIENCE_S,
) -> Generator[Event[CheckedVideo], None, None]:
    """Decode the videos, several at once; events come as they happen, see :func:`wtalkit.extraction.lanes.run_lanes`.

    Args:
        videos: in this order.
        timeline: of the features to be; a video shorter than its window is of no use.
        fast: only open them.
        workers: decoders at once; as many as there are cores by default.
        limits: what a video may claim.
        patience_s: seconds without a sign of life after which a decoder counts as hung.
    """
    decoders = [Decoder() for _ in range(max(1, min(workers or available_cores(), len(videos))))]
    limits = limits or Limits()

    def work(video: Input, lane: Lane) -> CheckedVideo:
        action = partial(_open if fast else _decode, video, lane, timeline, limits, patience_s)
        found = attempt(video.path, action)
        if not isinstance(found, Failure):
            return found
        return CheckedVideo(video.key, os.fspath(video.path), "failed", found.cause)

    nothing = cast("Compute", SimpleNamespace(cancel=lambda: None))  # lanes share it, and nothing is computed here
    try:
        with closing(run_lanes(videos, work, [nothing], decoders)) as events:
            yield from events
    finally:
        for decoder in decoders:
            decoder.close()


def _open(video: Input, lane: Lane, timeline: Timeline, limits: Limits, patience_s: float) -> CheckedVideo:
    """What the container states; if it states nothing, what the first frame says, or why there is none."""
    length_s = lane.decoder.length_s(video.path)
    if length_s is None:
        with _begin(video, lane, limits, patience_s) as decoding:
            return CheckedVideo(video.key, os.fspath(video.path), "opened", **_picture(decoding.info))
    short = _too_short(length_s, timeline)
    return CheckedVideo(
        video.key, os.fspath(video.path), "failed" if short else "opened", short, length_s, expected_s=length_s
    )


def _decode(video: Input, lane: Lane, timeline: Timeline, limits: Limits, patience_s: float) -> CheckedVideo:
    digest = hashlib.sha256()
    with _begin(video, lane, limits, patience_s) as decoding:
        pictures, decode_s = 0, 0.0
        for chunk in decoding:
            digest.update(chunk.images.data)
            pictures, decode_s = pictures + len(chunk.images), decode_s + chunk.decode_s
            lane.tell(_progress(video, decoding.info, pictures / _PICTURES_PER_S, decode_s))
        report = decoding.report
    digest.update(f"{decoding.info.width}x{decoding.info.height} {report.frames}".encode())
    cause = None if report.complete else describe_partial(report)
    short = _too_short(report.duration_s, timeline)
    return CheckedVideo(
        video.key,
        os.fspath(video.path),
        "failed" if short else "whole" if report.complete else "partial",
        short or cause,
        report.duration_s,
        report.expected_duration_s,
        frames=report.frames,
        variable_rate=report.variable_rate,
        gaps=report.gaps,
        warnings=report.warnings,
        content=digest.hexdigest(),
        **{**_picture(decoding.info), "fps": report.frames / report.decoded_s if report.decoded_s > 0 else None},
    )


def _begin(video: Input, lane: Lane, limits: Limits, patience_s: float) -> Decoding:
    return lane.decoder.decode(
        video.path, _PICTURES_PER_S, short_side=_SHORT_SIDE, limits=limits, patience_s=patience_s
    )


def _picture(info: VideoInfo) -> dict[str, Any]:
    return {"width": info.width, "height": info.height, "codec": info.codec, "fps": info.average_fps or None}


def _too_short(duration_s: float, timeline: Timeline) -> str | None:
    frames = timeline.frame_count(duration_s)
    return f"too short ({frames} < {timeline.window} frames)" if frames < timeline.window else None


def _progress(video: Input, info: VideoInfo, done_s: float, decode_s: float) -> Progress:
    frames = round(done_s * info.average_fps)
    expected = None if info.container_duration_s is None else round(info.container_duration_s * info.average_fps)
    return Progress(
        video.key, video.path, frames, expected, decode_fps=frames / max(decode_s, 1e-9), flow_pairs_per_s=0.0,
        elapsed_s=decode_s, frames_done=frames,
    )  # fmt: skip
