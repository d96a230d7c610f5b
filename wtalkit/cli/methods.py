"""``wtalkit methods``: what can be trained."""

from __future__ import annotations

from wtalkit.cli.options import Debug, Quiet, Verbose
from wtalkit.cli.terminal import Terminal

_ROLES = {"base": "base", "plugin": "plug-in", "proposals": "on proposals"}


def command(debug: Debug = False, quiet: Quiet = False, verbose: Verbose = False) -> int:
    """List the methods: name, role, state."""
    from wtalkit.methods import METHODS

    terminal = Terminal(quiet=quiet, verbose=verbose)
    rows: list[tuple[str, str, str, str]] = []
    for name, entry in METHODS.items():
        role = _ROLES[entry.role] + (f" (on {entry.default_base})" if entry.default_base else "")
        rows.append((name, role, "ready" if entry.available else "not in this version", entry.title))
    rows.sort(key=lambda row: row[2] != "ready")
    terminal.table(("method", "role", "state", "what"), rows)
    terminal.next_step("Next: wtalkit train --method NAME, in a folder with annotations and features")
    return 0
