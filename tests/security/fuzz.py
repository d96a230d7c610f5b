"""Fuzz one reader, guided by coverage: ``python -m tests.security.fuzz TARGET [--seconds N]`` (needs atheris).

Without a target it lists them. Exits with 0 where nothing but errors of wtalkit came out; a finding is printed with its
traceback, and the bytes are left in a ``crash-*`` file of the current folder.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["wtalkit"]):
    import wtalkit.annotations
    import wtalkit.evaluation
    import wtalkit.features
    import wtalkit.modelfile
    import wtalkit.object_arrays
    import wtalkit.official
    import wtalkit.pickle_stream
    import wtalkit.project
    import wtalkit.proposals
    import wtalkit.status
    import wtalkit.training.checkpoint
    import wtalkit.training.recipes  # noqa: F401

from tests.security.targets import TARGETS, run

LONGEST = 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    if arguments.target is None:
        print("\n".join(TARGETS))
        return
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as place:
        corpus, folder = Path(place, "corpus"), Path(place, "files")
        corpus.mkdir()
        folder.mkdir()
        for number, seed in enumerate(TARGETS[arguments.target].seeds):
            (corpus / str(number)).write_bytes(seed)
        options = [f"-max_total_time={arguments.seconds}", f"-max_len={LONGEST}", "-rss_limit_mb=2048", "-timeout=20"]
        atheris.Setup([sys.argv[0], *options, str(corpus)], lambda content: run(arguments.target, content, folder))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
