"""A disk that fills up while a training writes: in a user's words, and never taken for a defect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wtalkit.atomic import disk_error

_RUST = re.compile(r"\(os error (\d+)\)")


@contextmanager
def disk_errors_named(path: Path) -> Iterator[None]:
    """Within it a failure to write ``path`` for want of space or rights is a :class:`MachineError`.

    Raises:
        MachineError: the disk is full or the folder read-only.
    """
    from safetensors import SafetensorError

    try:
        yield
    except OSError as error:
        if (translated := disk_error(error, path)) is not None:
            raise translated from error
        raise
    except SafetensorError as error:  # it is no OSError, but ends with the number of one
        number = _RUST.search(str(error))
        translated = disk_error(OSError(int(number[1]), ""), path) if number else None
        if translated is not None:
            raise translated from error
        raise
