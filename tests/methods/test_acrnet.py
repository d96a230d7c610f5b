"""ACRNet: sizes, padding, options, finite gradients. The numbers of the authors' code are in ``tests/parity``."""

from __future__ import annotations

import pytest
import torch

from tests.methods.tiny import differences, labels, small, videos
from wtalkit.errors import ConfigError, ModelError
from wtalkit.methods import create, load_official
from wtalkit.methods.composition import total_loss
from wtalkit.methods.interface import Batch, TrainVideo


def test_parameter_counts_are_the_papers() -> None:
    with torch.device("meta"):
        counts = [sum(p.numel() for p in create("acrnet", num_classes=c).parameters()) for c in (20, 100)]
    assert counts == [22_331_434, 22_495_434]


def test_widths_follow_the_features() -> None:
    model = small()
    assert model.base.cas_rgb_encoder[0].out_channels == 32
    assert model.base.aas_rgb_encoder[0].out_channels == 16
    assert small(hidden=10).base.cas_rgb_encoder[0].out_channels == 10


@pytest.mark.parametrize("merge", ["official", "heads"])
@pytest.mark.parametrize("pool_kernel", [None, 5])
def test_padding_changes_nothing(merge: str, pool_kernel: int | None) -> None:
    model = small(merge=merge, pool_kernel=pool_kernel).eval()
    together, _ = model(Batch.from_features(videos()))
    for row, video in enumerate(videos()):
        alone, _ = model(Batch.from_features([video]))
        n = len(video)
        for name in ("cas_logits", "attn", "act_scores", "feat"):
            padded = getattr(together, name)[row]
            torch.testing.assert_close(padded[:n], getattr(alone, name)[0], atol=1e-6, rtol=1e-5)
            assert not padded[n:].any(), f"{name} is not zero where padded"
        for name in ("mask", "cluster_mask"):
            assert torch.equal(together.extra[name][row, :n], alone.extra[name][0])
            assert not together.extra[name][row, n:].any()
        torch.testing.assert_close(together.video_scores[row], alone.video_scores[0], atol=1e-6, rtol=1e-5)


def test_padding_changes_no_loss() -> None:
    model = small().eval()
    batch = Batch.from_features(videos(), labels())
    terms = model.losses(*model(batch), batch)
    alone = [Batch.from_features([v], labels()[i : i + 1]) for i, v in enumerate(videos())]
    one_by_one = [model.losses(*model(single), single) for single in alone]
    for name, term in terms.items():
        mean = torch.stack([each[name].value for each in one_by_one]).mean()
        torch.testing.assert_close(term.value, mean)


@pytest.mark.parametrize("lengths", [(1,), (2,), (3,), (1, 2, 3), (0, 4), (0,)])
def test_gradients_stay_finite_on_next_to_nothing(lengths: tuple[int, ...]) -> None:
    model = small("clasnet")
    features = [torch.zeros(max(n, 1), 64) + torch.rand(max(n, 1), 1) for n in lengths]
    batch = Batch.from_features(features, labels(len(lengths)))
    mask = batch.mask & (torch.tensor(lengths)[:, None] > 0)  # a row without a single snippet
    batch = Batch(batch.rgb, batch.flow, mask, batch.labels)
    total_loss(model.losses(*model(batch), batch)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("part", ["mca", "bwa", "refining", "aas"])
def test_every_part_can_be_left_out(part: str) -> None:
    full, model = small().eval(), small(without=(part,)).eval()
    batch = Batch.from_features(videos(), labels())
    terms = model.losses(*model(batch), batch)
    total_loss(terms).backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if part != "aas" or "aas" not in name)
    if part in ("mca", "bwa"):
        assert len(list(model.parameters())) < len(list(full.parameters()))
    if part == "refining":
        out, _ = model(batch)
        assert torch.equal(out.extra["mask"], out.extra["cluster_mask"])
        assert not torch.equal(full(batch)[0].extra["mask"], out.extra["mask"])
    assert ("base.aas_rgb" in terms) == (part != "aas")


def test_official_init_saturates_and_ours_does_not() -> None:
    assert small(init="official").base.mca.atte.abs().max() > 2
    assert small().base.mca.atte.abs().max() <= (6 / 16) ** 0.5


def test_prepare_measures_the_scale_and_keeps_it() -> None:
    model = small(feature_rms=2.0)
    train = [TrainVideo(3 * video, label) for video, label in zip(videos(), labels(), strict=True)]
    model.prepare(train)
    scaled = torch.cat([video.features for video in train]) * model.feature_scale
    assert scaled.square().mean().sqrt().item() == pytest.approx(2.0, rel=1e-5)
    assert "feature_scale" in model.state_dict()
    plain = small().eval()
    plain.load_state_dict({**model.state_dict(), "feature_scale": torch.ones(())})
    scale = model.feature_scale
    a, _ = model.eval()(Batch.from_features(videos()))
    b, _ = plain(Batch.from_features([video * scale for video in videos()]))
    assert max(differences(a, b).values()) < 1e-6


def test_bad_options_are_named() -> None:
    with pytest.raises(ConfigError, match=r"acrnet has no option 'kernal'. Did you mean kernel\?"):
        small(kernal=3)
    with pytest.raises(ConfigError, match=r"option kernel = 4 is not usable .*odd"):
        small(kernel=4)
    with pytest.raises(ConfigError, match="5 heads do not divide a stream of 32"):
        small(heads=5)


def test_weights_of_something_else_are_refused() -> None:
    with pytest.raises(ModelError, match="not acrnet's weights"):
        load_official("acrnet", {"conv.weight": torch.zeros(3)})
    state = {key: value for key, value in small().base.state_dict().items() if key != "rgb_bwa.conv.0.bias"}
    with pytest.raises(ModelError, match=r"rgb_bwa\.conv\.0\.bias"):
        load_official("acrnet", state)


def test_authors_weights_load_with_their_prefix_and_dead_entries() -> None:
    state = {f"module.{key}": value for key, value in small().base.state_dict().items()}
    model = load_official("acrnet", {**state, "module.total_ops": torch.zeros(1)})
    assert not model.training
    assert model.spec.num_classes == 5
    assert model.spec.options["acrnet"]["pool_kernel"] == 13
    assert torch.equal(model.base.mca.atte, state["module.mca.atte"])


def test_an_even_attention_starts_at_a_half_everywhere() -> None:
    features = torch.randn(2, 7, 32, generator=torch.Generator().manual_seed(0))
    batch = Batch.from_features(list(features))
    for even in (True, False):
        model = create("acrnet", num_classes=3, feature_dim=32, even_attention=even).eval()
        attention = model(batch)[0].attn
        assert bool((attention == 0.5).all()) is even
