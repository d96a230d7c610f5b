"""Runs the fault corpus and prints what came of it as a Markdown table: ``python -m tests.faults.measure_corpus``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import torch

from tests.faults.corpus import corpus
from tests.faults.corpus_case import Expected
from tests.faults.corpus_run import Seen, Use, faults_of, make, run, tiny_backbone

MIB = 2**20


def main() -> int:
    """Exit code 1 if anything is not as it must be."""
    torch.set_num_threads(1)
    cases = corpus()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = make(cases, folder)
        backbone = tiny_backbone(folder)
        started = time.monotonic()
        seen, use = run(cases, expected, folder, backbone)
        took_s = time.monotonic() - started
    families: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        families[case.family].append(case.name)
    print("| family | cases | right status | crashes | hangs | wrong |")
    print("|---|---:|---:|---:|---:|---:|")
    for family, names in families.items():
        print(row(family, names, expected, seen))
    print(row("**all**", [case.name for case in cases], expected, seen))
    print(f"\n{memory(use)} {len(cases)} files, each extracted twice and decoded twice more, took {took_s:.0f} s.")
    open_ones = sum(len(expected[case.name].outcomes) > 1 for case in cases)
    print(f"{open_ones} cases may end in more than one way; their lengths and times are checked all the same.")
    wrong = {name: found for name in seen if (found := faults_of(expected[name], seen[name]))}
    for name, found in wrong.items():
        print(f"{name}: {'; '.join(found)}", file=sys.stderr)
    return 1 if wrong else 0


def row(family: str, names: list[str], expected: dict[str, Expected], seen: dict[str, Seen]) -> str:
    """One line of the table."""
    wrong = sum(bool(faults_of(expected[name], seen[name])) for name in names)
    crashes, hangs = sum(seen[name].crashed for name in names), sum(seen[name].hung for name in names)
    return f"| {family} | {len(names)} | {len(names) - wrong} | {crashes} | {hangs} | {wrong} |"


def memory(use: Use) -> str:
    """What the processes held."""
    half_decoder, half_parent = len(use.decoder) // 2, len(use.parent) // 2
    decoder = [max(use.decoder[:half_decoder]) / MIB, max(use.decoder[half_decoder:]) / MIB]
    parent = [max(use.parent[:half_parent]) / MIB, use.parent[-1] / MIB]
    return (
        f"Most memory of a decoder {use.decoder_peak / MIB:.0f} MiB (first round {decoder[0]:.0f}, second round "
        f"{decoder[1]:.0f} MiB), of the parent {use.parent_peak / MIB:.0f} MiB (after its first run {parent[0]:.0f}, "
        f"after its second {parent[1]:.0f} MiB). Open files before and after: {use.handles[0]} and "
        f"{use.handles[1]}; processes left: {use.children}."
    )


if __name__ == "__main__":
    sys.exit(main())
