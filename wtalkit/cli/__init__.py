"""The command line: one thin file per command that parses, calls one function and shows the answer."""

from __future__ import annotations

from wtalkit.cli.app import main

__all__ = ["main"]
