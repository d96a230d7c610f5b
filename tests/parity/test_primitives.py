"""The building blocks against the numbers of the official codes: sampling, suppression, OIC, average precision."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from wtalkit.evaluation import mean_average_precision
from wtalkit.evaluation.classification import classification_map
from wtalkit.localization import DecoderSettings, raw_proposals, soft_nms
from wtalkit.timeline import Timeline
from wtalkit.training.sampling import random_perturb, uniform

STEMS = ("primitives",)
pytestmark = pytest.mark.parity
GAMMA, VIDEO_SCORE, INFLATION = 0.2, 0.37, 0.25


def names(arrays: dict[str, np.ndarray], pattern: str) -> list[str]:
    """First group of every array name that matches; at least one must."""
    found = [match[1] for name in arrays if (match := re.fullmatch(pattern, name))]
    assert found, f"the fixture holds no {pattern}"
    return found


def test_sampling(reference: Any) -> None:
    arrays = reference.arrays
    for case in names(arrays, r"(sample\d+)_nseg_len_seed"):
        length, snippets, seed = map(int, arrays[f"{case}_nseg_len_seed"])
        np.testing.assert_array_equal(uniform(snippets, length), arrays[f"{case}_uniform"], err_msg=case)
        drawn = random_perturb(snippets, length, np.random.RandomState(seed))
        np.testing.assert_array_equal(drawn, arrays[f"{case}_random"], err_msg=case)


@pytest.mark.parametrize("kind", ["gaussian", "linear", "hard"])
def test_soft_nms(reference: Any, kind: Any) -> None:
    given, expected = reference.arrays["nms_in"], reference.arrays[f"softnms_{kind}"]
    kept, scores = soft_nms(given[:, 2:], given[:, 1], kind=kind, sigma=0.3, tiou=0.7, plus_one=True)
    if kind == "hard":  # the official branch leaves suppressed rows in place, with score 0
        removed = np.setdiff1d(np.arange(len(given)), kept)
        assert sorted(map(tuple, given[removed, 2:])) == sorted(map(tuple, expected[expected[:, 1] == 0, 2:]))
        expected = expected[expected[:, 1] != 0]
    np.testing.assert_array_equal(given[kept, 2:], expected[:, 2:])
    np.testing.assert_allclose(scores, expected[:, 1], rtol=1e-12)


def test_hard_nms(reference: Any) -> None:
    for threshold in names(reference.arrays, r"hardnms_([\d.]+)"):
        given, expected = reference.arrays["nms_in"], reference.arrays[f"hardnms_{threshold}"]
        kept, _ = soft_nms(given[:, 2:], given[:, 1], kind="hard", tiou=float(threshold), plus_one=True)
        np.testing.assert_array_equal(given[kept, 1:], expected[:, 1:])


def test_oic(reference: Any) -> None:
    """The decoder, made to see the given points above its level, scores and cuts runs as the official function."""
    signal = reference.arrays["oic_signal"]
    settings = DecoderSettings(
        cls_threshold=0,
        thresholds=(),
        attn_thresholds=(0.5,),
        strict=True,
        min_points=1,
        score="logits",
        inflation=INFLATION,
        whole_margins=True,
        gamma=GAMMA,
        lose_lone_first=True,
    )
    for case in names(reference.arrays, r"oic_(\w+)_idx"):
        above = np.zeros(len(signal))
        above[reference.arrays[f"oic_{case}_idx"]] = 1.0
        found = raw_proposals(
            np.zeros((len(signal), 1)),
            above,
            np.array([VIDEO_SCORE]),
            timeline=Timeline(25.0),
            settings=settings,
            score_logits=signal[:, None],
        )
        result = np.column_stack([found.label, found.scores, found.points])
        np.testing.assert_allclose(result, reference.arrays[f"oic_{case}_out"], rtol=1e-12, atol=1e-12, err_msg=case)


def test_average_precision(reference: Any) -> None:
    arrays = reference.arrays
    database: dict[str, Any] = defaultdict(lambda: {"annotations": []})
    for video, (start, end, label) in zip(arrays["eval_gt_video"], arrays["eval_gt"], strict=True):
        database[str(video)]["annotations"].append({"segment": [start, end], "label": f"{label:03.0f}"})
    results: dict[str, Any] = defaultdict(list)
    for video, (start, end, label, score) in zip(arrays["eval_pred_video"], arrays["eval_pred"], strict=True):
        results[str(video)].append({"segment": [start, end], "label": f"{label:03.0f}", "score": score})
    result = mean_average_precision({"results": results}, {"database": database}, arrays["eval_tiou"])
    np.testing.assert_allclose(list(result["map"].values()), arrays["eval_map"], rtol=1e-9)
    per_class = [list(values.values()) for _, values in sorted(result["per_class"].items())]
    np.testing.assert_allclose(per_class, arrays["eval_ap_class_by_tiou"], rtol=1e-9)


def test_classification_map(reference: Any) -> None:
    value = classification_map(reference.arrays["cmap_conf"], reference.arrays["cmap_labels"])
    # The official sums are float32.
    np.testing.assert_allclose(100 * value, float(reference.arrays["cmap"]), rtol=1e-6)
