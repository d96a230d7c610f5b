"""A copy of a video with its segments drawn on the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtalkit.errors import InputError

if TYPE_CHECKING:
    from av.container import OutputContainer

    from wtalkit.export.drawing import Overlay
    from wtalkit.export.media import Media
    from wtalkit.segments import Segment
    from wtalkit.video import VideoReader
    from wtalkit.video.info import Limits

_FOREVER = Fraction(10**9)
_PRIMING_S = Fraction(1, 10)
"""Sound stored for so long before the first picture sets its decoder going."""


def write_overlay(
    video: Path,
    segments: Sequence[Segment],
    duration_s: float,
    path: Path,
    *,
    progress: Callable[[float], None] | None = None,
    limits: Limits | None = None,
) -> None:
    """Burn the labels of what happens, and a bar of the whole video, into a copy; the sound is copied.

    Args:
        video: the file.
        segments: of it.
        duration_s: its length, to draw the bar by.
        path: the copy; ``.mp4``, ``.mov`` or ``.mkv``.
        progress: told how many seconds are done.
        limits: what the video may claim; those of :class:`~wtalkit.video.info.Limits` unless given.

    Raises:
        InputError: the video cannot be read, or the container cannot hold its sound.
        MachineError: the disk is full, the folder read-only, or there is no encoder.
    """
    from wtalkit.export.drawing import Overlay
    from wtalkit.export.encoding import CONTAINERS, target
    from wtalkit.export.media import opened
    from wtalkit.video import VideoReader

    if path.suffix.lower() not in CONTAINERS:
        raise InputError("is no .mp4, .mov or .mkv file, an overlay is one of them", file=path)
    if path.exists() and path.samefile(video):
        raise InputError("is the video itself", file=path, remedy="Name another file for the overlay")
    with opened(video, limits=limits) as media:
        if not sound_fits(path.suffix.lower(), media):
            codec = media.sound.codec_context.name if media.sound is not None else "none"
            raise InputError(f"{path.suffix} files cannot hold its sound ({codec})", file=video, remedy="Use .mkv")
        with target(path) as container, VideoReader(video, limits=limits) as reader:
            _burn(reader, media, Overlay(segments, duration_s, *_size(reader)), container, progress)


def _size(reader: VideoReader) -> tuple[int, int]:
    return reader.info.width, reader.info.height


def overlay_suffix(video: Path, *, limits: Limits | None = None) -> str:
    """The container that can hold the sound of a video as it is.

    Args:
        video: the file.
        limits: what it may claim; those of :class:`~wtalkit.video.info.Limits` unless given.

    Raises:
        InputError: it cannot be read.
    """
    from wtalkit.export.media import opened

    with opened(video, limits=limits) as media:
        return ".mp4" if sound_fits(".mp4", media) else ".mkv"


def sound_fits(suffix: str, media: Media) -> bool:
    """Whether a container of this kind can hold the sound of a video as it is."""
    from dataclasses import replace

    from wtalkit.export.encoding import holds

    sound: Any = media.sound
    return sound is None or holds(suffix, replace(media, picture=sound, sound=None))


def _burn(
    reader: VideoReader, media: Media, overlay: Overlay, container: OutputContainer,
    progress: Callable[[float], None] | None,
) -> None:  # fmt: skip
    import av

    from wtalkit.export.encoding import PictureEncoder

    pictures = PictureEncoder(container, media, reader.info.width, reader.info.height)
    sound = _copied_sound(media, container)
    tick_s = Fraction(media.picture.time_base or 1)
    heard_s = Fraction(-1)
    for shown in reader.frames():
        image = shown.image if shown.image.flags.writeable else shown.image.copy()
        overlay.draw(image, shown.pts_s)
        pictures.write(av.VideoFrame.from_ndarray(image, format="rgb24"), round(Fraction(shown.pts_s) / tick_s))
        while heard_s <= shown.pts_s:
            heard_s = next(sound, _FOREVER)
        if progress is not None:
            progress(shown.pts_s)
    pictures.finish()
    for _ in sound:
        pass


def _copied_sound(media: Media, container: OutputContainer) -> Iterator[Fraction]:
    """Copies a piece of sound each time it is asked; gives until when that was."""
    if media.sound is None:
        return iter(())
    out: Any = container.add_stream_from_template(media.sound, opaque=True)
    return _copying(media, out, container)


def _copying(media: Media, out: Any, container: OutputContainer) -> Iterator[Fraction]:
    for packet in media.container.demux(media.sound):
        shown_s = media.shown_s(packet)
        if not packet.size or shown_s is None or shown_s < -_PRIMING_S:
            continue
        shift = round(media.heard_s / Fraction(packet.time_base))
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        packet.stream = out
        container.mux(packet)
        yield shown_s
