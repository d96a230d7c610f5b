"""Every file of the fault corpus gets the state, the sentence, the length and the times that its making implies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults.corpus import corpus
from tests.faults.corpus_case import Case, Expected
from tests.faults.corpus_run import Seen, Use, faults_of, make, run, tiny_backbone
from wtalkit.video import DecodeReport

CASES = corpus()
MIB = 2**20
# Measured: 85 MiB at most for a decoder, and 1 GiB for PyTorch's libraries, weights and work spaces.
MOST_OF_A_DECODER = 300 * MIB
GROWTH_OF_A_DECODER = 24 * MIB
GROWTH_OF_THE_PARENT = 128 * MIB

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="without /proc nothing tells of leaks")


@dataclass(frozen=True)
class Outcome:
    """All that came of the corpus."""

    expected: dict[str, Expected]
    seen: dict[str, Seen]
    use: Use


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """The corpus made and run once."""
    folder = tmp_path_factory.mktemp("corpus")
    expected = make(CASES, folder)
    yield Outcome(expected, *run(CASES, expected, folder, tiny_backbone(folder)))
    shutil.rmtree(folder)


@pytest.mark.parametrize("case", CASES, ids=[ascii(case.name)[1:-1][:60] for case in CASES])
def test_case(case: Case, outcome: Outcome) -> None:
    assert faults_of(outcome.expected[case.name], outcome.seen[case.name]) == []


def test_the_corpus_is_large_and_mostly_decided() -> None:
    assert len(CASES) >= 250
    assert len({case.family for case in CASES}) >= 15


def test_few_cases_may_end_in_more_than_one_way(outcome: Outcome) -> None:
    open_ones = [expected for expected in outcome.expected.values() if len(expected.outcomes) > 1]
    assert len(open_ones) <= 0.15 * len(CASES)


def test_nothing_crashes_or_hangs(outcome: Outcome) -> None:
    assert not [name for name, seen in outcome.seen.items() if seen.crashed or seen.hung]


def test_no_handle_and_no_process_is_left(outcome: Outcome) -> None:
    first, last = outcome.use.handles
    assert (last, outcome.use.children) == (first, 0)


def test_memory_does_not_grow(outcome: Outcome) -> None:
    """The decoder's from its first round through the corpus to its second, the parent's from run to run."""
    use = outcome.use
    half = len(use.decoder) // 2
    assert max(use.decoder[half:]) - max(use.decoder[:half]) < GROWTH_OF_A_DECODER
    assert use.decoder_peak < MOST_OF_A_DECODER
    half = len(use.parent) // 2
    assert use.parent[-1] - max(use.parent[:half]) < GROWTH_OF_THE_PARENT


def test_wrong_results_would_be_noticed(outcome: Outcome) -> None:
    """What is asserted of each case can fail: a cut called whole, frames that are late, a lost sentence, a lost row."""
    cut, good = "cut-65-faststart-h264.mp4", "mp4-h264.mp4"
    seen, expected = outcome.seen[good], outcome.expected[good]
    assert seen.numbers is not None and seen.rows is not None and isinstance(seen.report, DecodeReport)
    assert faults_of(outcome.expected[cut], seen)
    late = (seen.numbers[0], seen.numbers[0], *seen.numbers[:-2])
    assert faults_of(expected, replace(seen, numbers=late))
    assert faults_of(expected, replace(seen, rows=seen.rows - 1))
    assert faults_of(expected, replace(seen, report=replace(seen.report, duration_s=1.9)))
    assert faults_of(expected, replace(seen, strict=replace(seen.strict, state="failed")))
    partial = outcome.seen[cut]
    assert faults_of(outcome.expected[cut], replace(partial, kept=replace(partial.kept, cause="cut")))
    assert faults_of(outcome.expected["empty.mp4"], replace(outcome.seen["empty.mp4"], seconds=100.0))
