"""The layouts of packs: each module finds its own and opens it."""

from __future__ import annotations

from wtalkit.importing.layouts.recognise import open_pack

__all__ = ["open_pack"]
