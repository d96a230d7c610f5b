"""LAC: sizes, padding, components, losses by hand. The numbers of the authors' code are in ``tests/parity``."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.methods.test_lac_search import contrast
from tests.methods.tiny import LENGTHS, small, videos
from wtalkit.errors import ConfigError, ModelError
from wtalkit.localization import DecoderSettings, decode, raw_proposals
from wtalkit.methods import create, lac, lac_losses, load_official
from wtalkit.methods.composition import Composition, total_loss
from wtalkit.methods.interface import Batch
from wtalkit.methods.lac_losses import (
    Runs,
    contrast_weights,
    feature_loss,
    find_runs,
    frame_loss,
    fuse_background,
    score_loss,
    video_loss,
)
from wtalkit.methods.lac_search import Seeds
from wtalkit.timeline import Timeline

CLOSE = {"atol": 1e-5, "rtol": 1e-4}
TERMS = {"base.vid", "base.frame", "base.frame_bkg", "base.score", "base.feat"}


def pointed(lengths: tuple[int, ...] = LENGTHS, every: int = 7) -> Batch:
    """Videos of class 0 and 1 by turns, a point every few snippets."""
    features = videos(lengths)
    marks = torch.zeros(len(lengths), max(lengths), 5)
    labels = torch.zeros(len(lengths), 5)
    for row, length in enumerate(lengths):
        for place in range(min(2, length - 1), length, every):
            marks[row, place, (row + place) % 2] = 1
    labels[marks.any(dim=1)] = 1
    return replace(Batch.from_features(features, labels), points=marks)


def alone(batch: Batch, row: int) -> Batch:
    """One video of a batch without its padding."""
    length, one = int(batch.lengths[row]), slice(row, row + 1)
    assert batch.points is not None
    return Batch(
        batch.rgb[one, :length], batch.flow[one, :length], batch.mask[one, :length], batch.targets[one],
        points=batch.points[one, :length],
    )  # fmt: skip


def sharp(**options: Any) -> Composition:
    """In eval mode, with scores that are far from a half, as after training."""
    model = small("lac", **options).eval()
    with torch.no_grad():
        model.base.classifier.weight *= 30
        model.base.conv.bias.normal_()
    return model


def values(model: Composition, batch: Batch) -> dict[str, Tensor]:
    return {name: term.value for name, term in model.losses(*model(batch), batch).items()}


def test_parameter_count_is_the_authors() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in create("lac", num_classes=20).parameters()) == 12_627_968


def test_widths_follow_the_features() -> None:
    assert small("lac").base.conv.out_channels == 64
    model = small("lac", hidden=10, kernel=1)
    assert (model.base.conv.out_channels, model.base.conv.kernel_size) == (10, (1,))


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_padding_changes_no_output(mode: str) -> None:
    model, batch = sharp(dropout=0.0).train(mode == "train"), pointed()
    together, _ = model(batch)
    for row, length in enumerate(LENGTHS):
        single, _ = model(alone(batch, row))
        for field in ("cas_logits", "attn", "act_scores", "feat"):
            padded = getattr(together, field)[row]
            torch.testing.assert_close(padded[:length], getattr(single, field)[0], **CLOSE)
            assert not padded[length:].any(), f"{field} is not zero where padded"
        assert together.extra.keys() == single.extra.keys()
        for group in ("streams", "extra"):
            for key, value in getattr(together, group).items():
                torch.testing.assert_close(value[row, :length], getattr(single, group)[key][0], **CLOSE)
                assert not value[row, length:].any(), f"{key} is not zero where padded"
        torch.testing.assert_close(together.video_scores[row], single.video_scores[0], **CLOSE)


def test_padding_changes_no_output_where_a_plugin_fills_it() -> None:
    def fuse(rgb: Tensor, flow: Tensor) -> Tensor:
        return torch.cat([rgb, flow], dim=-1) + 1

    model, batch = sharp().base, pointed((30, 4))
    both, single = (
        model.predict(model.encode(each), each, fuse).act_scores[-1, :4] for each in (batch, alone(batch, 1))
    )
    torch.testing.assert_close(both, single, **CLOSE)


@pytest.mark.parametrize("options", [{}, {"feat_classes": "last", "keep_last": False}])
def test_padding_changes_no_loss(options: dict[str, Any]) -> None:
    model, batch = sharp(**options), pointed()
    found = values(model, batch)
    assert set(found) == TERMS
    one_by_one = [values(model, alone(batch, row)) for row in range(len(batch))]
    for name, value in found.items():
        assert value > 0
        torch.testing.assert_close(value, torch.stack([each[name] for each in one_by_one]).mean(), msg=name)


@pytest.mark.parametrize("lengths", [(1,), (2,), (1, 2, 3, 1), (0, 4, 0, 0), (0,)])
@pytest.mark.parametrize("scale", [1.0, 1e4, 0.0])
def test_gradients_stay_finite_on_next_to_nothing(lengths: tuple[int, ...], scale: float) -> None:
    model, batch = small("lac"), pointed(tuple(max(length, 1) for length in lengths), every=1)
    mask = batch.mask & (torch.tensor(lengths)[:, None] > 0)  # a row without a single snippet
    check_finite(model, replace(batch, rgb=batch.rgb * scale, flow=batch.flow * scale, mask=mask))


@pytest.mark.parametrize("logit", [-1e4, -90.0, 0.0, 90.0, 1e4])
def test_scores_that_are_rounded_to_0_or_1_have_a_gradient(logit: float) -> None:
    model, batch = small("lac"), pointed((40, 20))
    with torch.no_grad():
        model.base.classifier.weight[:] = torch.tensor([1.0, -1, 1, -1, 1, -1])[:, None, None] * logit
    check_finite(model, batch)


def check_finite(model: Composition, batch: Batch) -> None:
    terms = model.losses(*model(batch), batch)
    assert all(torch.isfinite(term.value) for term in terms.values()), terms
    total_loss(terms).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


def test_every_part_can_be_left_out() -> None:
    gone = {
        "frame_bkg": {"base.frame_bkg"}, "completeness": {"base.score", "base.feat"}, "score": {"base.score"},
        "feat": {"base.feat"},
    }  # fmt: skip
    assert set(gone) == set(lac.LAC.components)
    for part, terms in gone.items():
        assert set(values(small("lac", without=(part,)), pointed())) == TERMS - terms


def test_without_completeness_nothing_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(lac, "search_sequence")
    assert set(values(small("lac", without=("completeness",)), pointed())) == TERMS - {"base.score", "base.feat"}
    assert set(values(small("lac", without=("score", "feat")), pointed())) == TERMS - {"base.score", "base.feat"}
    with pytest.raises(NameError):
        values(small("lac", without=("score",)), pointed())


def test_weights_are_those_of_the_options() -> None:
    options = {"frame_weight": 0.1, "frame_bkg_weight": 0.2, "score_weight": 0.3, "feat_weight": 0.4}
    for given, expected in (({}, [1, 0.5, 1, 1, 1]), (options, [1, 0.1, 0.2, 0.3, 0.4])):
        model, batch = small("lac", **given), pointed()
        terms = model.losses(*model(batch), batch)
        assert [terms[f"base.{name}"].weight for name in ("vid", "frame", "frame_bkg", "score", "feat")] == expected


def test_options_reach_what_they_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, dict[str, Any]] = {}

    def spy(name: str) -> None:
        real = getattr(lac, name)

        def record(*args: Any, **kwargs: Any) -> Any:
            given[name] = kwargs
            return real(*args, **kwargs)

        monkeypatch.setattr(lac, name, record)

    for name in ("select_seeds", "search_sequence", "find_runs", "feature_loss"):
        spy(name)
    values(sharp(action_level=0.2, background_level=0.8, budget=7, keep_last=False, temperature=0.3), pointed())
    assert given == {
        "select_seeds": {"action_level": 0.2, "background_level": 0.8},
        "search_sequence": {"budget": 7},
        "find_runs": {"keep_last": False},
        "feature_loss": {"temperature": 0.3, "rows": "first", "classes": "all"},
    }
    values(sharp(feat_classes="last"), pointed())
    assert given["feature_loss"]["classes"] == "last"


def test_labels_without_points_are_an_error() -> None:
    model, batch = small("lac"), pointed()
    assert model.base.needs_points
    out, aux = model(replace(batch, points=None))  # inference needs none
    with pytest.raises(ModelError, match=r"lac learns from points.*wtalkit annotations points"):
        model.losses(out, aux, replace(batch, points=None))


def test_a_video_without_a_point_in_view_adds_to_the_video_loss_alone() -> None:
    model, batch = sharp(), pointed((30, 20))
    assert batch.points is not None
    first = alone(batch, 0)
    blank = replace(batch, points=batch.points * torch.tensor([1.0, 0.0])[:, None, None])
    both, one = values(model, blank), values(model, first)
    for name in TERMS - {"base.vid"}:
        torch.testing.assert_close(both[name], one[name] / 2, msg=name)
    second = values(model, replace(alone(batch, 1), points=torch.zeros(1, 20, 5)))
    torch.testing.assert_close(both["base.vid"], (one["base.vid"] + second["base.vid"]) / 2)
    assert all(not second[name] for name in TERMS - {"base.vid"})


def test_points_where_padded_do_not_count() -> None:
    model, batch = sharp(), pointed((30, 12))
    assert batch.points is not None
    stray = batch.points.clone()
    stray[1, 20:, 3] = 1
    before, after = values(model, batch), values(model, replace(batch, points=stray))
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, msg=name)


def test_seeds_come_from_what_was_trained_with_and_the_search_from_what_was_not_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, batch = sharp().train(), pointed((30, 20))
    seen: dict[str, list[np.ndarray]] = {"seeds": [], "search": []}
    select, search = lac.select_seeds, lac.search_sequence

    def spy_select(background: np.ndarray, *args: Any, **kwargs: Any) -> Seeds:
        seen["seeds"].append(background)
        return select(background, *args, **kwargs)

    def spy_search(scores: np.ndarray, *args: Any, **kwargs: Any) -> Any:
        seen["search"].append(scores)
        return search(scores, *args, **kwargs)

    monkeypatch.setattr(lac, "select_seeds", spy_select)
    monkeypatch.setattr(lac, "search_sequence", spy_search)
    out, aux = model(batch)
    model.losses(out, aux, batch)
    clean = model.eval()(batch)[0].extra["fused"].detach().numpy()
    dropped = out.extra["fused"].detach().numpy()
    assert not np.allclose(clean, dropped, atol=0.1)
    assert not out.extra["clean"].requires_grad
    for row, length in enumerate((30, 20)):
        np.testing.assert_allclose(seen["search"][row], clean[row, :length, :-1], atol=1e-6)
        np.testing.assert_allclose(seen["seeds"][row], dropped[row, :length, -1], atol=1e-6)  # for frame_bkg
        np.testing.assert_allclose(seen["seeds"][2 + row], clean[row, :length, -1], atol=1e-6)  # for the search
    assert "clean" not in model(batch)[0].extra


def test_the_same_seed_gives_the_same_losses() -> None:
    model, batch = small("lac"), pointed((30, 20))
    out, aux = model(batch)

    def draw(seed: int) -> float:
        torch.manual_seed(seed)
        return float(model.losses(out, aux, batch)["base.feat"].value.detach())

    np.random.seed(0)
    assert draw(0) == draw(0)
    assert len({draw(seed) for seed in range(5)}) > 1
    model.eval()
    assert len({draw(seed) for seed in range(5)}) == 1


def test_video_scores_of_absent_classes_are_means_in_training_only() -> None:
    model, batch = sharp(k=4), pointed((8, 8))
    out, _ = model(batch)
    q = torch.sigmoid(out.cas_logits[..., :5])
    best = q.topk(2, dim=1).values.mean(dim=1)
    torch.testing.assert_close(out.video_scores, best)
    labels = batch.targets
    scores = best * labels + q.mean(dim=1) * (1 - labels)
    expected = torch.nn.functional.binary_cross_entropy(scores, labels)
    torch.testing.assert_close(values(model, batch)["base.vid"], expected)


def test_a_video_shorter_than_the_share_has_a_score() -> None:
    out, _ = sharp()(pointed((5, 1)))
    best = torch.sigmoid(out.cas_logits[0, :5, :5]).max(dim=0).values
    torch.testing.assert_close(out.video_scores[0], best)


def test_fused_scores() -> None:
    model, batch = sharp(), pointed()
    out, _ = model(batch)
    q = torch.sigmoid(out.cas_logits[batch.mask])
    torch.testing.assert_close(out.act_scores[batch.mask], q[:, :5] * (1 - q[:, 5:]))
    torch.testing.assert_close(out.attn[batch.mask], 1 - q[:, 5])
    torch.testing.assert_close(out.extra["fused"][batch.mask][:, 5], q[:, 5])
    assert out.feat.min() == 0 and out.feat.max() > 0


def test_frame_loss_by_hand() -> None:
    logits = torch.tensor([[[2.0, -1.0, -0.5], [9.0, 9.0, 9.0], [0.0, 0.0, 1.0]], [[1.0, 1.0, 1.0]] * 3])
    targets = torch.tensor([[[1.0, 0, 0], [0, 0, 0], [0, 1, 0]], [[0.0, 0, 0]] * 3])
    chosen = torch.tensor([[True, False, True], [False] * 3])
    u = fuse_background(logits, torch.ones(2, 3, dtype=torch.bool))
    focal = ((1 - u) * targets + u * (1 - targets)) ** 2
    each = focal * torch.nn.functional.binary_cross_entropy(u, targets, reduction="none")
    expected = each[0, [0, 2]].sum() / 2 / 2  # two snippets, two videos, one of them without any
    torch.testing.assert_close(frame_loss(logits, targets, chosen), expected)


def test_logarithms_are_exact_where_single_precision_rounds() -> None:
    logits = torch.tensor([[[40.0, -40.0, 40.0]]], requires_grad=True)
    chosen = torch.ones(1, 1, dtype=torch.bool)
    loss = frame_loss(logits, torch.tensor([1.0, 0.0, 0.0]), chosen)
    assert loss.item() == pytest.approx(80, rel=1e-3)  # class 0: one minus the background is e^-40; background: 40
    loss.backward()
    assert logits.grad is not None and logits.grad[0, 0, 2] > 0.5


def test_video_loss_by_hand() -> None:
    value = video_loss(torch.tensor([[0.5, 0.2]]), torch.tensor([[1.0, 0.0]]))
    assert value.item() == pytest.approx(-(np.log(0.5) + np.log(0.8)) / 2)
    assert torch.isfinite(video_loss(torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])))


def listed(runs: Runs) -> list[tuple[int, ...]]:
    return [tuple(int(value) for value in row) for row in zip(*runs, strict=True)]


def test_runs_by_hand() -> None:
    first = np.array([[0, 0, 1, 1, 0], [0, 0, 0, 0, 1], [1] * 5, [0] * 5], bool).T
    second = np.array([[1, 0], [0, 0], [0, 0], [0, 0]], bool).T
    found = find_runs([first, second])
    assert listed(found) == [
        (0, 0, 0, 0, 2), (0, 0, 1, 2, 4), (0, 0, 0, 4, 5), (0, 1, 0, 0, 4), (0, 1, 1, 4, 5),
        (1, 0, 1, 0, 1), (1, 0, 0, 1, 2),
    ]  # fmt: skip
    assert listed(find_runs([first, second], keep_last=False)) == [
        (0, 0, 0, 0, 2), (0, 0, 1, 2, 4), (0, 1, 0, 0, 4), (1, 0, 1, 0, 1)
    ]  # fmt: skip
    assert listed(find_runs([np.zeros((4, 2), bool), np.zeros((0, 2), bool)])) == []


def made_up(seed: int = 0) -> tuple[Tensor, Tensor, list[np.ndarray], list[int]]:
    """Fused scores, features, labellings and lengths of four videos, the last without an action."""
    draw, lengths = np.random.default_rng(seed), [40, 25, 12, 30]
    fused, feat = (torch.tensor(draw.random((4, 40, width)), dtype=torch.float32) for width in (4, 6))
    labellings = [(draw.random((-(-length // 4), 3)) < 0.5).repeat(4, axis=0)[:length] for length in lengths]
    labellings[3][:] = False
    return fused, feat, labellings, lengths


def runs_of(labelling: np.ndarray, label: int) -> list[tuple[bool, int, int]]:
    """Kind, start and end of a class's runs; none if there is only one."""
    groups = [(bool(kind), len(list(group))) for kind, group in groupby(labelling[:, label].tolist())]
    edges = np.cumsum([0, *(length for _, length in groups)]).tolist()
    found = [(kind, *edge) for (kind, _), edge in zip(groups, pairwise(edges), strict=True)]
    return found if len(found) > 1 else []


@pytest.mark.parametrize("seed", range(5))
def test_score_loss_is_the_slow_one(seed: int) -> None:
    fused, _, labellings, lengths = made_up(seed)
    expected = []
    for row, labelling in enumerate(labellings):
        missing: dict[bool, list[float]] = {True: [], False: []}
        for label in range(3):
            for kind, start, end in runs_of(labelling, label):
                curve = fused[row, : lengths[row], label].numpy()
                missing[kind].append(1 - contrast(curve if kind else 1 - curve, start, end))
        expected.append(sum(float(np.mean(kind)) for kind in missing.values() if kind) ** 2)
    value = score_loss(fused, find_runs(labellings), lengths)
    assert value.item() == pytest.approx(np.mean(expected), rel=1e-5)
    assert expected[3] == 0


def test_background_without_margins_is_scored_by_itself() -> None:
    """Runs of at most three snippets at the start have no margin: there is nothing to be subtracted."""
    runs = Runs(*(np.array([value]) for value in (0, 0, False, 0, 2)))
    constant, weights = contrast_weights(runs, [9], (1, 9, 1))
    assert constant.tolist() == [0]
    assert weights[0, :, 0].tolist() == pytest.approx([0.5, 0.5, *[0] * 7])
    action = runs._replace(action=np.array([True]))
    constant, weights = contrast_weights(action, [9], (1, 9, 1))
    assert constant.tolist() == [1]
    assert weights[0, :, 0].tolist() == pytest.approx([-0.5, -0.5, *[0] * 7])


@pytest.mark.parametrize("classes", ["all", "last"])
@pytest.mark.parametrize("seed", range(5))
def test_feature_loss_is_the_slow_one(classes: Any, seed: int) -> None:
    _, feat, labellings, _ = made_up(seed)
    expected = []
    for row, labelling in enumerate(labellings):
        by_class = []
        for label in range(3):
            runs = runs_of(labelling, label)
            if sum(kind for kind, _, _ in runs) < 2:
                continue
            picked = [[start + (end - start) * third // 3 for third in range(3)] for _, start, end in runs]
            known = [feat[row, rows].mean(dim=0) for rows in picked]
            known = [each / each.norm() for each in known]
            shares = []
            for one, (kind, _, _) in enumerate(runs):
                if kind:
                    alike = [0 if one == other else float(torch.exp(known[one] @ known[other] / 0.5))
                             for other in range(len(runs))]  # fmt: skip
                    ours = sum(value for value, (action, _, _) in zip(alike, runs, strict=True) if action)
                    shares.append(-np.log(ours / sum(alike)))
            by_class.append(float(np.mean(shares)))
        expected.append(np.mean(by_class if classes == "all" else by_class[-1:]) if by_class else 0.0)
    assert sum(value > 0 for value in expected) >= 2
    value = feature_loss(feat, find_runs(labellings), temperature=0.5, rows="first", classes=classes)
    assert value.item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_features_are_sampled_from_each_third() -> None:
    """Two runs of seven snippets and one of one: rows 0-1, 2-3 and 4-6 of a run, and its only one."""
    labelling = np.array([1] * 7 + [0] + [1] * 7, bool)[:, None]
    feat = torch.eye(15)[None]
    runs, seen = find_runs([labelling]), set()
    for _ in range(200):
        sampled = lac_losses._sample(feat, runs, "random")
        assert torch.allclose(sampled.sum(dim=1), torch.ones(3))
        rows = sampled.nonzero().tolist()
        assert [place for run, place in rows if run == 1] == [7]
        seen.add(tuple(place for run, place in rows if run == 0))
    thirds = [set(places) for places in zip(*seen, strict=True)]
    assert thirds == [{0, 1}, {2, 3}, {4, 5, 6}]


def test_alike_runs_of_action_cost_little() -> None:
    labelling = np.array([1, 0, 1, 0], bool)[:, None]
    alike = torch.tensor([[[1.0, 0.0], [0.0, 1.0]] * 2])
    mixed = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
    low, high = (feature_loss(feat, find_runs([labelling]), temperature=0.1) for feat in (alike, mixed))
    assert low < 1e-3 < 1 < high
    assert feature_loss(torch.zeros(1, 4, 2), find_runs([labelling]), temperature=0.1) == pytest.approx(np.log(3))


def test_half_precision_keeps_scores_and_losses_in_single() -> None:
    model, batch = small("lac").train(), pointed((30, 20))
    with torch.autocast("cpu", torch.bfloat16):
        out, aux = model(batch)
    assert out.feat.dtype == torch.bfloat16
    assert {out.cas_logits.dtype, out.act_scores.dtype, *(x.dtype for x in out.extra.values())} == {torch.float32}
    terms = model.losses(out, aux, batch)
    assert {term.value.dtype for term in terms.values()} == {torch.float32}
    total_loss(terms).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_training_finds_what_the_points_do_not_say() -> None:
    """Actions of ten snippets, one of them labelled: after a few steps all of them score high, and nothing else."""
    torch.manual_seed(0)
    happens = torch.zeros(2, 60, dtype=torch.bool)
    happens[0, 10:20] = happens[0, 40:50] = happens[1, 25:35] = True
    feature = torch.where(happens[..., None], torch.tensor([1.0, 0.0] * 32), torch.tensor([0.0, 1.0] * 32))
    noisy = feature + 0.3 * torch.randn(2, 60, 64)
    points = torch.zeros(2, 60, 1)
    points[0, [14, 46]] = points[1, [29]] = 1
    batch = replace(Batch.from_features(list(noisy), torch.ones(2, 1)), points=points)
    model = create("lac", num_classes=1, feature_dim=64, dropout=0.3).train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        total_loss(model.losses(*model(batch), batch)).backward()
        optimizer.step()
    scores = model.eval()(batch)[0].act_scores[..., 0].detach()
    assert scores[happens].min() > 0.6 and scores[~happens].max() < 0.4


def test_the_decoder_takes_both_curves() -> None:
    model = small("lac").base
    own = DecoderSettings.from_dict(model.decoder_settings())
    official = DecoderSettings.from_dict({**model.decoder_settings(), **model.official_decoder_settings()})
    assert DecoderSettings.from_dict(official.to_dict()) == official
    assert (own.plus_one, official.plus_one) == (False, "seconds")
    curve = np.zeros(40)
    curve[10:14], curve[30:32] = 0.9, 0.05  # the second is found by the class's levels alone
    found = decode(
        curve[:, None], curve, [0.7], classes=["jump"], timeline=Timeline(25.0), duration_s=25.6, settings=own
    )
    centres = {round((each.start_s + each.end_s) / 2 / 0.64) for each in found}
    assert centres == {12, 31}
    assert found[0].score > 0.9


TIMELINE = Timeline(25.0)


def test_below_a_level_counts_as_nothing_around_its_runs() -> None:
    """A run of the class at .5 with .2 on both sides; the attention's run has no level of the class's curve."""
    curve = np.array([0.2, 0.2, 0.2, 0.2, 0.8, 0.8, 0.8, 0.8, 0.2, 0.2, 0.2, 0.2])
    settings = DecoderSettings(thresholds=(0.1, 0.5), attn_thresholds=(0.5,), gamma=0.0)
    for below, expected in (("keep", [0.4, 0.6, 0.6]), ("zero", [0.4, 0.8, 0.6])):
        chosen = settings.model_copy(update={"oic_below": below})
        found = raw_proposals(curve[:, None], curve, [1.0], timeline=TIMELINE, settings=chosen)
        assert found.points.tolist() == [[0, 12], [4, 8], [4, 8]]
        assert found.scores.tolist() == pytest.approx(expected)
    nothing = DecoderSettings(thresholds=(), oic_below="zero")
    assert not len(raw_proposals(curve[:, None], curve, [1.0], timeline=TIMELINE, settings=nothing))


def test_the_last_slope_may_leave_the_range() -> None:
    """From 0.6 on 0.3 more a snippet: the last two of eight points are at 1.05 and 1.125."""
    curve = np.array([0.6, 0.9])
    scores = {}
    for rule in ("left", "left_beyond"):
        settings = DecoderSettings(thresholds=(0.1,), upscale=4, interpolation=rule, gamma=0.0)
        scores[rule] = raw_proposals(curve[:, None], None, [1.0], timeline=TIMELINE, settings=settings).scores[0]
    assert scores["left_beyond"] == pytest.approx(0.6 + 0.075 * 3.5)
    assert scores["left"] == pytest.approx(scores["left_beyond"] - (0.05 + 0.125) / 8)


@pytest.mark.parametrize(("plus_one", "kept"), [(False, 2), ("seconds", 1), (True, 2)])
def test_one_second_more_makes_short_actions_overlap(plus_one: Any, kept: int) -> None:
    """Runs of 0.64 s that touch: nothing in common; with a second more each 1 of 2.28 s; in points 1 of 3."""
    curve = np.array([0.0, 0.0, 0.9, 0.0, 0.0, 0.0])
    other = np.array([0.0, 0.0, 0.0, 0.8, 0.0, 0.0])
    settings = DecoderSettings(
        thresholds=(0.5,), attn_thresholds=(0.5,), min_points=1, nms="hard", tiou=0.4, plus_one=plus_one
    )
    found = decode(curve[:, None], other, [1.0], classes=["jump"], timeline=TIMELINE, duration_s=9.0, settings=settings)
    assert len(found) == kept


def test_authors_weights_load_under_their_names() -> None:
    mine = small("lac", hidden=32, kernel=5).base.state_dict()
    official = {theirs: mine[ours] for theirs, ours in lac.OFFICIAL_NAMES.items()}
    model = load_official("lac", {f"module.{name}": value for name, value in official.items()})
    assert not model.training
    options = model.base.options
    assert (model.spec.num_classes, model.spec.feature_dim, options.hidden, options.kernel) == (5, 64, 32, 5)
    assert (options.feat_classes, options.keep_last) == ("last", False)
    assert torch.equal(model.base.conv.weight, mine["conv.weight"])
    with pytest.raises(ModelError, match="not lac's weights"):
        load_official("lac", mine)
    with pytest.raises(ModelError, match=r"conv\.bias and 1 in all missing"):
        load_official("lac", {name: value for name, value in official.items() if "bias" not in name})


def test_bad_options_are_named() -> None:
    with pytest.raises(ConfigError, match=r"option kernel = 4 is not usable .*odd"):
        small("lac", kernel=4)
    with pytest.raises(ConfigError, match=r"lac has no option 'budgt'. Did you mean budget\?"):
        small("lac", budgt=3)
    with pytest.raises(ConfigError, match="option budget = 5000 is not usable"):
        small("lac", budget=5000)


def test_a_plugin_fits_around_it() -> None:
    model, batch = create("clasnet", num_classes=5, feature_dim=64, base="lac"), pointed()
    terms = model.losses(*model(batch), batch)
    assert TERMS | {"clasnet.brm"} <= set(terms)
    total_loss(terms).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
