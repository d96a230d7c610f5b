"""Forms take turns."""

from __future__ import annotations

import time

from wtalkit.bench.pairs import interleaved, ratio


def test_forms_take_turns_after_a_round_that_is_not_counted() -> None:
    seen: list[str] = []
    forms = {"slow": lambda: (seen.append("slow"), time.sleep(0.02)), "fast": lambda: seen.append("fast")}
    times = interleaved(forms, 3, lambda: seen.append("wait"))
    assert seen == ["slow", "fast", *["wait", "slow", "wait", "wait", "fast", "wait"] * 3]
    assert {name: len(seconds) for name, seconds in times.items()} == {"slow": 3, "fast": 3}
    assert min(times["slow"]) >= 0.02 > max(times["fast"])


def test_the_ratio_is_the_median_of_pairs() -> None:
    assert ratio([2.0, 30.0, 3.0], [1.0, 3.0, 1.0]) == 3.0
