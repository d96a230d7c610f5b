"""What a writer gives."""

from __future__ import annotations

from typing import NamedTuple


class Written(NamedTuple):
    """The text of a file.

    Attributes:
        text: all of it.
        remarks: what the format could not hold, or holds otherwise, a sentence each.
    """

    text: str
    remarks: tuple[str, ...] = ()
