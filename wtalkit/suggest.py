"""What to say about a name that is not one of the valid ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that ``name`` was probably meant to be, or None."""
    by_lower = {each.lower(): each for each in valid}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[found[0]] if found else None


def remedy(name: str, valid: Iterable[str]) -> str:
    """A sentence for an error's remedy: the nearest valid name, and all of them."""
    known = sorted(valid)
    meant = nearest(name, known)
    listed = f"Valid: {', '.join(known)}" if known else "There is none here"
    return f"Did you mean {meant}? {listed}" if meant else listed


def some_of(names: Sequence[str], most: int = 5) -> str:
    """The first few of a list and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
