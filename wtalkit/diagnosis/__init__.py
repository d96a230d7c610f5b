"""Why something does not work: versions, builds, devices, folders, and a test of the whole chain."""

from __future__ import annotations

from collections.abc import Iterator

from wtalkit.diagnosis.finding import Finding
from wtalkit.diagnosis.selftest import Stage, self_test

__all__ = ["Finding", "Stage", "examine", "self_test"]


def examine() -> Iterator[Finding]:
    """Look at everything but what the chain computes, which :func:`self_test` does."""
    from wtalkit.diagnosis import machine, packages

    yield from packages.look_at_packages()
    yield from machine.look_at_builds()
    yield from machine.look_at_storage()
    yield from machine.look_at_terminal()
