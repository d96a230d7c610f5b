"""tssam: sizes, padding, the dictionary's start and warm-up, options, and every row of the paper's studies.

Its losses are worked out by hand in ``test_tssam_losses``.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.methods.tiny import differences, labels, small, videos
from wtalkit.errors import ConfigError, ModelError
from wtalkit.localization import DecoderSettings, decode
from wtalkit.methods import create
from wtalkit.methods.composition import Composition, total_loss
from wtalkit.methods.interface import Batch, Progress, TrainVideo
from wtalkit.methods.tssam import attended_mean
from wtalkit.methods.windows import run_windows
from wtalkit.modelfile import ModelHeader, load_model, save_model
from wtalkit.segments import Segment
from wtalkit.timeline import Timeline
from wtalkit.training.recipes import load_recipe

PAGE = Path(__file__).resolve().parents[2] / "docs" / "methods" / "tssam.md"
LATE = Progress(epoch=50, max_epoch=100, step=50, max_step=100)  # the warm-up is over


def tssam(**options: Any) -> Composition:
    return small("tssam", **options)


def stirred(**options: Any) -> Composition:
    """The residual block away from the identity, or padding could hide."""
    model = tssam(**options)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def batch() -> Batch:
    return Batch.from_features(videos(), labels())


def train(model: Composition, steps: int, data: Batch, progress: Progress = LATE) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        total_loss(model.losses(*model(data), data, progress)).backward()
        optimizer.step()


def test_parameter_counts() -> None:
    """Block 2 x (3 x 2048 x 1024) + 1024 + 2048, attention 3 x 2049, classifiers 2 x 21 x 2049, rows 21 x 2048."""
    with torch.device("meta"):
        counts = {
            tied: sum(p.numel() for p in create("tssam", num_classes=20, tie_classifiers=tied).parameters())
            for tied in (False, True)
        }
    assert counts == {False: 12_721_197, True: 12_721_197 - 21 * 2049}


def test_widths_follow_the_features() -> None:
    assert tssam().base.block.enter.out_channels == 32
    assert tssam(hidden=10).base.block.enter.out_channels == 10
    assert tssam(kernel=1).base.block.enter.kernel_size == (1,)


def test_the_block_starts_as_the_identity() -> None:
    out, _ = tssam().eval()(batch())
    torch.testing.assert_close(out.feat, torch.cat([batch().rgb, batch().flow], dim=-1))


def test_the_equations_of_one_video() -> None:
    """Equations 1 to 4 written out for a video without padding."""
    model = stirred()
    base, video = model.base, videos()[1]
    out, _ = model(Batch.from_features([video]))
    x, a = out.feat[0], torch.stack([out.attn, out.extra["a_ct"], out.extra["a_bg"]])[:, 0]
    torch.testing.assert_close(a.sum(dim=0), torch.ones(17))
    p = base.classifiers["mil"](x)
    torch.testing.assert_close(out.cas_logits[0], p)
    for reading, sigma in enumerate((8, 2, 2)):
        pooled = sum(weight * row for weight, row in zip(a[reading], x, strict=True)) / a[reading].sum()
        attended = torch.softmax(base.classifiers["att"](pooled), dim=-1)
        z = a[reading][:, None] * p
        best = z.sort(dim=0, descending=True).values[: 17 // sigma].mean(dim=0)
        expected = (attended + torch.softmax(best, dim=-1)) / 2
        torch.testing.assert_close(out.extra["log_scores"][0, reading].exp(), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(out.video_scores[0], out.extra["log_scores"][0, 0, :5].exp())
    torch.testing.assert_close(out.act_scores[0], torch.softmax(a[0][:, None] * p, dim=-1)[:, :5])


def test_what_the_attention_pools_is_float32_under_autocast() -> None:
    generator = torch.Generator().manual_seed(2)
    feat, attn = (torch.rand(2, 400, size, generator=generator) for size in (16, 3))
    exact = attn.double().mT @ feat.double() / attn.double().sum(dim=1)[..., None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = attended_mean(feat, attn)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled.double(), exact, atol=1e-5, rtol=1e-5)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"tie_classifiers": True, "normalize_targets": True, "guide_source": "softmax_p", "guide_reduction": "mean"},
    {"smt_mask_labels": True, "guide_detach": True, "kernel": 1},
    {"without": ("mil",)},
    {"without": ("att",)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_padding_changes_nothing(options: dict[str, Any]) -> None:
    model = stirred(**options)
    together, _ = model(batch())
    for row, video in enumerate(videos()):
        alone, _ = model(Batch.from_features([video]))
        n = len(video)
        for name in ("cas_logits", "attn", "act_scores", "feat"):
            padded = getattr(together, name)[row]
            torch.testing.assert_close(padded[:n], getattr(alone, name)[0], atol=1e-5, rtol=1e-4)
            assert not padded[n:].any(), f"{name} is not zero where padded"
        for name in ("a_ct", "a_bg", "z_fg"):
            torch.testing.assert_close(together.extra[name][row, :n], alone.extra[name][0], atol=1e-5, rtol=1e-4)
            assert not together.extra[name][row, n:].any()
        torch.testing.assert_close(together.video_scores[row], alone.video_scores[0], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_padding_changes_no_loss(options: dict[str, Any]) -> None:
    model = stirred(**options)
    terms = model.losses(*model(batch()), batch(), LATE)
    singles = [Batch.from_features([v], labels()[i : i + 1]) for i, v in enumerate(videos())]
    one_by_one = [model.losses(*model(single), single, LATE) for single in singles]
    for name, term in terms.items():
        mean = torch.stack([each[name].value for each in one_by_one]).mean()
        torch.testing.assert_close(term.value, mean, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("lengths", [(1,), (2, 3), (0, 4), (0,)], ids=str)
def test_gradients_stay_finite_on_next_to_nothing(lengths: tuple[int, ...], options: dict[str, Any]) -> None:
    model = tssam(**options)
    features = [torch.zeros(max(n, 1), 64) for n in lengths]
    made = Batch.from_features(features, labels(len(lengths)))
    mask = made.mask & (torch.tensor(lengths)[:, None] > 0)  # a row without a single snippet
    data = Batch(made.rgb, made.flow, mask, made.labels)
    total_loss(model.losses(*model(data), data, LATE)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


def prepared(**options: Any) -> Composition:
    model = tssam(**options)
    model.prepare([TrainVideo(*each) for each in zip(videos(), several_labels(), strict=True)])
    return model


def several_labels() -> torch.Tensor:
    """Classes 0 (videos 0 and 3), 1 (video 1), 2 (videos 0 and 2); class 4 only in the last; nobody shows class 3."""
    return torch.tensor([[1.0, 0, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])


def test_the_dictionary_starts_at_the_class_means() -> None:
    rows = prepared().base.dictionary
    means = torch.stack([video.mean(dim=0) for video in videos()])
    torch.testing.assert_close(rows[0], (means[0] + means[3]) / 2)
    torch.testing.assert_close(rows[1], means[1])
    torch.testing.assert_close(rows[2], (means[0] + means[2]) / 2)
    assert torch.equal(rows[3], tssam().base.dictionary[3]), "a class without a video keeps its random start"
    torch.testing.assert_close(rows[5], means.mean(dim=0))
    scaled = prepared(feature_rms=2.0)
    torch.testing.assert_close(scaled.base.dictionary[1], means[1] * scaled.feature_scale)


def test_the_dictionary_may_start_at_random() -> None:
    rows = prepared(dict_init="uniform").base.dictionary
    assert torch.equal(rows, tssam().base.dictionary)
    assert rows.min() >= 0 and rows.max() <= 1 and 0.4 < rows.mean() < 0.6


def test_videos_without_a_snippet_do_not_count() -> None:
    model = tssam()
    model.prepare([TrainVideo(torch.zeros(0, 64), labels()[0]), TrainVideo(torch.ones(2, 64), labels()[1])])
    assert torch.equal(model.base.dictionary[5], torch.ones(64))
    assert torch.equal(model.base.dictionary[0], tssam().base.dictionary[0])


def test_warm_up_keeps_the_dictionary_and_raises_the_weight() -> None:
    model = prepared()
    before = model.base.dictionary.detach().clone()
    weights = []
    for epoch in (0, 1, 5, 9):
        train(model, 1, batch(), Progress(epoch=epoch, max_epoch=100))
        terms = model.losses(*model(batch()), batch(), Progress(epoch=epoch, max_epoch=100))
        weights.append(terms["base.smt"].weight)
        assert torch.equal(model.base.dictionary, before)
    assert weights == pytest.approx([0, 0.005, 0.025, 0.045])
    train(model, 1, batch(), Progress(epoch=10, max_epoch=100))
    assert not torch.equal(model.base.dictionary, before)
    cold = tssam(warm_up_epochs=0)
    assert cold.losses(*cold(batch()), batch(), Progress())["base.smt"].weight == 0.05


def test_the_spread_of_the_dictionary_is_watched_but_not_trained() -> None:
    model = tssam()
    terms = model.losses(*model(batch()), batch(), LATE)
    spread = terms["base.dict_spread"]
    assert spread.weight == 0 and not spread.value.requires_grad
    pairs = [(model.base.dictionary[i] - model.base.dictionary[j]).norm() for i in range(6) for j in range(i)]
    torch.testing.assert_close(spread.value, torch.stack(pairs).mean())
    torch.nn.init.constant_(model.base.dictionary, 0.3)
    assert model.losses(*model(batch()), batch(), LATE)["base.dict_spread"].value == 0


def test_a_model_file_keeps_the_dictionary(tmp_path: Path) -> None:
    for tied in (False, True):
        model = prepared(tie_classifiers=tied)
        save_model(tmp_path / "m.safetensors", model, ModelHeader.of(model, list("abcde")))
        again = load_model(tmp_path / "m.safetensors").model
        assert torch.equal(again.base.dictionary, model.base.dictionary)
        found = differences(model.eval()(batch())[0], again(batch())[0])
        assert set(found.values()) == {0.0}


def test_weights_and_options_of_the_losses() -> None:
    model = tssam(ct_weight=0.3, bg_weight=0.4, smt_weight=0.5, gui_weight=0.6)
    weights = {name: term.weight for name, term in model.losses(*model(batch()), batch(), LATE).items()}
    assert weights == {
        "base.fg": 1, "base.ct": 0.3, "base.bg": 0.4, "base.smt": 0.5, "base.gui": 0.6, "base.dict_spread": 0,
    }  # fmt: skip


def test_the_guide_loss_reads_the_source_it_is_told() -> None:
    values = {}
    for source in ("softmax_z", "softmax_p"):
        model = stirred(guide_source=source, guide_reduction="mean")
        out, _ = model(batch())
        logits = out.extra["z_fg"] if source == "softmax_z" else out.cas_logits
        gap = (1 - out.attn - torch.softmax(logits, dim=-1)[..., -1]).abs()
        expected = torch.stack([row[:n].mean() for row, n in zip(gap, batch().lengths, strict=True)]).mean()
        values[source] = model.losses(out, {}, batch(), LATE)["base.gui"].value
        torch.testing.assert_close(values[source], expected)
    summed = stirred(guide_length=100)
    total = summed.losses(*summed(batch()), batch(), LATE)["base.gui"].value
    torch.testing.assert_close(total, 100 * values["softmax_z"])
    assert abs(values["softmax_z"] - values["softmax_p"]) > 1e-3


def test_the_guide_loss_may_leave_the_attention_alone() -> None:
    for detach in (False, True):
        model = tssam(guide_detach=detach, guide_source="softmax_p")
        model.losses(*model(batch()), batch(), LATE)["base.gui"].value.backward()
        assert (model.base.attention.weight.grad is None) == detach


def test_an_even_attention_starts_at_a_third_everywhere() -> None:
    for even in (True, False):
        out, _ = tssam(even_attention=even)(Batch.from_features(videos()[:1]))
        assert bool(torch.isclose(out.attn, torch.tensor(1 / 3)).all()) is even


def test_bad_options_are_named() -> None:
    with pytest.raises(ConfigError, match=r"option kernel = 2 is not usable .*odd"):
        tssam(kernel=2)
    with pytest.raises(ConfigError, match="Did you mean guide_source"):
        tssam(guide_sourc="softmax_p")
    with pytest.raises(ModelError, match="without att and without mil"):
        tssam(without=("att", "mil"))


# -- the paper's studies ------------------------------------------------------------------------------------------

ROWS = {
    "fg": {"fg"},
    "fg, bg": {"fg", "bg"},
    "fg, bg, ct": {"fg", "bg", "ct"},
    "fg, bg, ct, gui": {"fg", "bg", "ct", "gui"},
    "all": {"fg", "bg", "ct", "gui", "smt", "dict_spread"},
    "both branches": {"fg", "bg", "ct"},
    "attention-based": {"fg", "bg", "ct"},
    "MIL-based": {"fg", "bg", "ct"},
}


def commands() -> dict[str, tuple[str, ...]]:
    """What the page's two tables leave out, by row."""
    lines = re.findall(r"^\| (.+?) \|.*\| `wtalkit (train .+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    found = {}
    for row, command in lines:
        words = shlex.split(command)
        assert words[:3] == ["train", "--method", "tssam"] and words[3:4] in ([], ["--without"])
        found[row] = tuple(words[4].split(",")) if words[3:] else ()
    return found


def test_the_page_has_every_row() -> None:
    assert commands().keys() == ROWS.keys()


def staged(count: int, seed: int) -> tuple[list[torch.Tensor], torch.Tensor, list[tuple[int, int]]]:
    """Videos of 24 snippets, each with one action of 8 in it that looks like its class; labels; where it is."""
    generator = torch.Generator().manual_seed(seed)
    looks = torch.rand(6, 64, generator=torch.Generator().manual_seed(7)) > 0.7
    found, spans = [], []
    for video in range(count):
        start = int(torch.randint(2, 14, (), generator=generator))
        shown = torch.full((24,), 5)
        shown[start : start + 8] = video % 5
        found.append(looks[shown] + 0.1 * torch.rand(24, 64, generator=generator))
        spans.append((start, start + 8))
    return found, labels(count), spans


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_papers_studies_trains_and_decodes(row: str) -> None:
    model = tssam(without=commands()[row], even_attention=True, guide_length=24)
    features, shown, _ = staged(20, seed=0)
    data = Batch.from_features(features, shown)
    terms = model.losses(*model(data), data, LATE)
    assert {name.removeprefix("base.") for name in terms} == ROWS[row]
    train(model, 20, data)
    right = 0
    for video, label, (start, end) in zip(*staged(10, seed=1), strict=True):
        best = detect(model, video)[0]
        shared = min(best.end_s, end) - max(best.start_s, start)
        union = max(best.end_s, end) - min(best.start_s, start)
        right += best.label == "abcde"[int(label.argmax())] and shared / union > 0.5
    assert right >= 8, f"{right} of 10"


def detect(model: Composition, video: torch.Tensor) -> list[Segment]:
    """The method's own decoder, a second a snippet, but not the run over everything that short videos always have."""
    seconds = Timeline(1.0, window=1, stride=1)
    found = run_windows(model, video.numpy(), seconds, max_length=512)
    return decode(
        found.act_scores,
        found.attn,
        found.video_scores,
        classes=list("abcde"),
        timeline=seconds,
        duration_s=float(len(video)),
        settings=DecoderSettings.from_dict({**model.decoder_settings(), "keep_whole": False}),
    )


def test_without_the_mil_branch_only_the_attention_says_where() -> None:
    out, _ = stirred(without=("mil",))(batch())
    assert torch.equal(out.act_scores, out.attn[..., None].expand(-1, -1, 5))
    assert not hasattr(tssam(without=("mil",)).base, "dictionary")


def test_without_a_branch_the_video_scores_are_the_others() -> None:
    """Not half of them: equation 4 has nothing to average then."""
    model = stirred()
    base, data = model.base, batch()
    out, _ = model(data)
    attn = torch.stack([out.attn, out.extra["a_ct"], out.extra["a_bg"]], dim=-1)
    logits = {"mil": base.read_attended(out.feat, attn), "att": base.read_best(out.cas_logits, attn, data.mask)}
    for gone, kept in logits.items():
        single = tssam(without=(gone,)).eval()
        single.base.load_state_dict(base.state_dict(), strict=False)
        found, _ = single(data)
        torch.testing.assert_close(found.video_scores, torch.softmax(kept[:, 0], dim=-1)[:, :5])


@pytest.mark.parametrize(
    ("name", "steps", "videos_in_all", "levels"),
    [("thumos14", 1300, 200, 33), ("activitynet1.2", 15100, 4819, 5), ("activitynet1.3", 31400, 10024, 5)],
)
def test_recipes_hold_the_papers_numbers(name: str, steps: int, videos_in_all: int, levels: int) -> None:
    recipe = load_recipe(name, "tssam")
    settings = recipe.settings
    assert settings.steps == steps == 100 * -(-videos_in_all // settings.batch_size)
    model = create("tssam", num_classes=2, feature_dim=16, **recipe.options["tssam"])
    decoder = DecoderSettings.from_dict({**model.decoder_settings(), **settings.decoder})
    assert (len(decoder.thresholds), decoder.nms, decoder.tiou, decoder.inflation) == (levels, "hard", 0.5, 0.2)
    assert decoder.thresholds[0] == (0.1 if levels == 33 else 0.005)
    assert decoder.thresholds[-1] == (0.9 if levels == 33 else 0.025)
