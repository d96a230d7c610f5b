"""The fault corpus: videos that are damaged, unusual or none, each with what must come of it by how it was made.

Everything is made anew from good videos that are encoded here, always the same for one build of FFmpeg.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.faults.corpus_case import Build, Case, Expected, partial, whole
from tests.faults.corpus_damage import damaged
from tests.faults.corpus_odd import odd
from tests.faults.corpus_refused import forged, no_videos
from tests.faults.corpus_sources import WHOLE, Source, Workshop


def corpus() -> tuple[Case, ...]:
    """All cases; their names are unique."""
    cases = (*good(), *damaged(), *odd(), *no_videos(), *forged())
    names = [case.name for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"two cases are called {', '.join(sorted(twice))}")
    return cases


def good() -> Iterator[Case]:
    """Undamaged videos of all containers and codecs."""
    for source in WHOLE:
        yield Case(f"{source.name}.{source.suffix}", "whole", _good(source))


def _good(source: Source) -> Build:
    def build(workshop: Workshop, path: Path) -> Expected:
        path.write_bytes(workshop.good(source.name).content)
        if "live" in source.container:
            return partial(unsure_s=())  # what states no length may always have been longer
        return whole()

    return build
