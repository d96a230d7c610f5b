"""Small pictures of the moments at which segments start."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from wtalkit.errors import InputError

if TYPE_CHECKING:
    from wtalkit.segments import Segment
    from wtalkit.video.scaling import Image

SHORT_SIDE_PX = 108
_LONG_SIDE_PX = 240
FPS = 5.0
"""Pictures looked at a second: a thumbnail shows its segment's start to a tenth of a second."""
_QUALITY = 70


@dataclass(frozen=True)
class Thumbnails:
    """Pictures of one video.

    Attributes:
        pictures: WebP files.
        of_segment: number of the picture, by the segment's place in the list; -1 for none.
        codec: of the video, by FFmpeg's name.
        container: likewise.
        why_not: why pictures are missing; None where none are.
    """

    pictures: tuple[bytes, ...] = ()
    of_segment: tuple[int, ...] = ()
    codec: str = ""
    container: str = ""
    why_not: str | None = None

    @property
    def base64(self) -> list[str]:
        return [b64encode(picture).decode("ascii") for picture in self.pictures]


def take_thumbnails(path: Path, segments: Sequence[Segment], most: int) -> Thumbnails:
    """Pictures at the starts of the segments that score best, ``most`` in all.

    The video is decoded once, in a process of its own, as far as the last start. Segments that start together share a
    picture. A video that cannot be decoded has none, and the reason.

    Args:
        path: the video.
        segments: of the video.
        most: pictures at most; 0 only looks at what kind of video it is.
    """
    from wtalkit.video import Decoder

    wanted = _wanted(segments, most)
    codec = container = ""
    pictures: dict[int, bytes] = {}
    why_not = None
    decoder = Decoder()
    try:
        with decoder.decode(path, FPS, short_side=SHORT_SIDE_PX) as decoding:
            codec, container = decoding.info.codec, decoding.info.container
            last, position = max(wanted.values(), default=-1), 0
            for chunk in decoding if last >= 0 else ():
                for image in chunk.images:
                    if position in wanted.values() and position not in pictures:
                        pictures[position] = encode(image)
                    position += 1
                if position > last:
                    break
    except InputError as error:
        why_not = error.cause
    finally:
        decoder.close()
    places = {position: number for number, position in enumerate(sorted(pictures))}
    of_segment = tuple(places.get(wanted.get(index, -1), -1) for index in range(len(segments)))
    return Thumbnails(tuple(pictures[position] for position in sorted(pictures)), of_segment, codec, container, why_not)


def _wanted(segments: Sequence[Segment], most: int) -> dict[int, int]:
    """The picture (by its place at :data:`FPS`) for a segment (by its place in the list), for the best of them."""
    wanted: dict[int, int] = {}
    positions: set[int] = set()
    for index in sorted(range(len(segments)), key=lambda index: -segments[index].score):
        position = round(segments[index].start_s * FPS)
        if position not in positions and len(positions) >= most:
            continue
        positions.add(position)
        wanted[index] = position
    return wanted


def encode(image: Image) -> bytes:
    """RGB uint8 [H, W, 3] as a WebP file; very wide and very tall pictures are cut to their middle."""
    import av

    height, width = image.shape[:2]
    top, left = max(0, height - _LONG_SIDE_PX) // 2, max(0, width - _LONG_SIDE_PX) // 2
    image = image[top : top + _LONG_SIDE_PX, left : left + _LONG_SIDE_PX]
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    encoder = av.CodecContext.create("libwebp", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 1)
    encoder.options = {"quality": str(_QUALITY)}
    frame = av.VideoFrame.from_ndarray(image[:height, :width].copy(), format="rgb24").reformat(format="yuv420p")
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))
