"""Weight files that libraries publish under one address: they appear whole under their name, or not at all.

torchvision's files carry the first digits of their SHA-256 in their name, and only that content is accepted.
pytorchvideo publishes no hashes: its files are known only by fitting the network.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wtalkit.errors import MachineError

if TYPE_CHECKING:
    from wtalkit.download import Fetching
    from wtalkit.web import Patience

_LIMIT_BYTES = 512 << 20
_PIECE_BYTES = 1 << 18
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
        if not path.is_file():
            return False
        if self.sha256 is None:
            return True
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest().startswith(self.sha256)


def fetch_hub(
    file: HubFile,
    path: Path,
    *,
    remedy: str,
    check: Callable[[Path], object] | None = None,
    patience: Patience | None = None,
    progress: Callable[[Fetching], None] | None = None,
) -> None:
    """Get a file into ``path``; what a killed process left of it is removed first.

    Args:
        file: which.
        path: the file to be; another of that name is replaced, once the new one is there whole.
        remedy: what a person can do if it is not to be had, one sentence.
        check: raises MachineError for what came and is not such a file; for files without a hash.
        patience: how long to wait for a server.
        progress: told while bytes come.

    Raises:
        MachineError: no address has it, or it cannot be written; nothing new is under the name.
    """
    from wtalkit.atomic import atomic_path, sweep
    from wtalkit.download import translated
    from wtalkit.web import Patience, WebError

    causes = []
    if path.parent.is_dir():
        sweep(path.parent)
    for url in file.urls:
        try:
            with translated(path), atomic_path(path) as temporary:
                _read(file, url, path, temporary, patience or Patience(), progress)
                _check(check, temporary)
            return
        except WebError as error:
            causes.append(f"{urlsplit(url).hostname or url}: {error}")
    raise MachineError(f"could not be fetched ({'; '.join(causes)})", file=path, remedy=remedy)


def _read(
    file: HubFile,
    url: str,
    path: Path,
    temporary: Path,
    patience: Patience,
    progress: Callable[[Fetching], None] | None,
) -> None:
    """Write what one address has to ``temporary``.

    Raises:
        WebError: it is not the file, or not all of it.
    """
    from wtalkit import __version__
    from wtalkit.download import SLOWEST_BYTES_PER_S, Fetching
    from wtalkit.web import WebError, open_url, read_piece

    headers = {"User-Agent": f"wtalkit/{__version__}", "Accept-Encoding": "identity"}
    digest, done = hashlib.sha256(), 0
    if progress is not None:
        progress(Fetching(path, url, 0, None))
    with open_url(url, headers, patience) as answer, temporary.open("wb") as out:
        total = answer.length
        if total is None and file.sha256 is None:
            raise WebError("it does not say how long the file is, so nothing would tell that it is cut off")
        window_s, window_bytes = time.monotonic(), 0
        while piece := read_piece(answer, _PIECE_BYTES):
            done += len(piece)
            if done > _LIMIT_BYTES:
                raise WebError(f"it sends more than {_LIMIT_BYTES:,} bytes", lasting=True)
            digest.update(piece)
            out.write(piece)
            if progress is not None:
                progress(Fetching(path, url, done, total))
            window_bytes += len(piece)
            if (passed_s := time.monotonic() - window_s) > patience.read_s:
                if window_bytes < SLOWEST_BYTES_PER_S * passed_s:
                    raise WebError(f"it sends less than {SLOWEST_BYTES_PER_S:,} bytes a second")
                window_s, window_bytes = time.monotonic(), 0
    if total is not None and done < total:
        raise WebError(f"broke off after {done:,} of {total:,} bytes")
    if file.sha256 is not None and not digest.hexdigest().startswith(file.sha256):
        raise WebError("what it sends is not the published file", lasting=True)


def _check(check: Callable[[Path], object] | None, temporary: Path) -> None:
    """Look at what came.

    Raises:
        WebError: it is no such file.
    """
    from wtalkit.web import WebError

    if check is None:
        return
    try:
        check(temporary)
    except MachineError as error:
        raise WebError(f"what it sends {error.cause}", lasting=True) from error
