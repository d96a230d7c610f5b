"""Is a file of ``torch.save`` what it seems? Asked before and after ``torch.load(weights_only=True)``, which does not.

The zip archives torch writes are not compressed, so one that unpacks to more than its own size was made by somebody
else to fill the memory. And a tensor may claim any shape over a storage of one number, until something computes with
it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_ZIP = b"PK\x03\x04"
_SHARED = 4
"""How often the bytes of a file may stand in its tensors; tied weights share theirs."""


class Suspicious(ValueError):
    """What is wrong with the file, or a tensor of it."""


def check_archive(file: Path) -> None:
    """Make sure that unpacking a file takes no more memory than it has bytes; it is not unpacked.

    Raises:
        Suspicious: it is a zip archive with compressed or overlapping entries, or a damaged one.
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        if opened.read(len(_ZIP)) != _ZIP:
            return
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise Suspicious("is not a readable checkpoint of torch.save, or cut off") from error
    packed = next((entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED), None)
    if packed is not None:
        raise Suspicious(f"has a compressed entry ({packed.filename}), which torch.save never writes")
    if sum(entry.file_size for entry in entries) > file.stat().st_size:
        raise Suspicious("has entries that overlap, or claim more bytes than the file has")


def check_tensors(tensors: Iterable[Tensor], file: Path) -> None:
    """Make sure that every tensor is a plain one, and that all of them together are no larger than the file allows.

    Raises:
        Suspicious: one is sparse, quantized, without memory, or larger than its own storage.
    """
    import torch

    total = 0
    for value in tensors:
        if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
            raise Suspicious("holds a tensor that is not a plain one")
        size = value.numel() * value.element_size()
        if size > value.untyped_storage().nbytes():
            raise Suspicious(f"holds a tensor {tuple(value.shape)} that is larger than its own storage")
        total += size
    if total > _SHARED * file.stat().st_size:
        raise Suspicious("holds tensors that are larger than the file")
