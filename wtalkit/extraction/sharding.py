"""A part of the videos for each of several jobs that know nothing of each other, as array jobs of a cluster are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wtalkit.errors import UsageError
from wtalkit.inputs import Input

_SHARD = re.compile(r"(\d{1,9})/(\d{1,9})")


def parse_shard(text: str) -> tuple[int, int]:
    """``"2/8"`` as ``(2, 8)``; ``"0/8"`` is ``(8, 8)``, so that job numbers may begin at 0.

    Raises:
        UsageError: not of this form, or I is larger than N.
    """
    match = _SHARD.fullmatch(text.strip())
    index, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if count < 1 or index > count:
        raise UsageError(f"--shard {text} is not I/N with I up to N", remedy="Use --shard 1/4 for the first of four")
    return index or count, count


def shard(videos: Sequence[Input], index: int, count: int) -> list[Input]:
    """The part ``index`` of ``count``, in order of key; all parts together are all videos, each once."""
    return sorted(videos, key=lambda video: video.key)[index - 1 :: count]
