"""Weight files that libraries publish under one address: they appear whole under their name, or not at all.

torchvision's files carry the first digits of their SHA-256 in their name, and only that content is accepted.
pytorchvideo publishes no hashes: its files are known only by fitting the network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wtalkit.content import Sha256, Unhashed

if TYPE_CHECKING:
    from wtalkit.download import Fetching
    from wtalkit.web import Patience

_LIMIT_BYTES = 512 << 20
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,})\.\w+$")  # torch.hub's rule


@dataclass(frozen=True)
class HubFile:
    """A published weights file.

    Attributes:
        url: where it lies.
    """

    url: str

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def sha256(self) -> str | None:
        """First hex digits of the SHA-256 of its content; None where its name does not hold them."""
        found = _HASH_IN_NAME.search(self.name)
        return None if found is None else found[1]

    @property
    def urls(self) -> list[str]:
        """Where to get it: from the mirrors that ``WTALKIT_MIRROR`` lists, if it does, and from nowhere else then."""
        parts = urlsplit(self.url)
        if mirrors := os.environ.get("WTALKIT_MIRROR", "").split():
            return [f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}" for mirror in mirrors]
        return [self.url]

    def is_whole(self, path: Path) -> bool:
        """Whether the file at ``path`` can be this one; of one without a hash all that is known is that it is there."""
        return path.is_file() and (self.sha256 is None or Sha256(self.sha256).flaw(path) is None)


def fetch_hub(
    file: HubFile,
    path: Path,
    *,
    remedy: str,
    check: Callable[[Path], object] | None = None,
    patience: Patience | None = None,
    progress: Callable[[Fetching], None] | None = None,
) -> bool:
    """Get a file into ``path``; what has come of it before is gone on with where its hash is known.

    Args:
        file: which.
        path: the file to be; another of that name is replaced, once the new one is there whole.
        remedy: what a person can do if it is not to be had, one sentence.
        check: raises MachineError for what came and is not such a file; for files without a hash.
        patience: how long to wait for a server.
        progress: told while bytes come.

    Returns:
        Whether it was fetched, and not by another process meanwhile.

    Raises:
        MachineError: no address has it, or it cannot be written; nothing new is under the name.
    """
    from wtalkit.download import fetch

    content = Unhashed(check) if file.sha256 is None else Sha256(file.sha256)
    return fetch(
        path, file.urls, content=content, limit_bytes=_LIMIT_BYTES, remedy=remedy, patience=patience,
        progress=progress,
    )  # fmt: skip
