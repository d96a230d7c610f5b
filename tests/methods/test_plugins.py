"""Every plug-in on every base: the same start, padding, gradients, parts that come off, the rows of CLASNet's study.

Bases are taken from the table, so a new one is held to all of this by its line there.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.methods.tiny import differences, labels, small, videos
from wtalkit.errors import ModelError
from wtalkit.localization import DecoderSettings
from wtalkit.methods import METHODS
from wtalkit.methods.composition import Composition, total_loss
from wtalkit.methods.interface import Batch, Outputs, Progress
from wtalkit.training.plan import resolve_parts

BASES = [name for name, entry in METHODS.items() if entry.role == "base" and entry.available]
PLUGINS = [name for name, entry in METHODS.items() if entry.role == "plugin" and entry.available]
CHAINS = [("clasnet",), ("fenet",), ("fenet", "clasnet")]
PARTS = {
    "clasnet": ("fcsm", "brm", "sparsity", "dilated", "mha", "contrast"),
    "fenet": ("lfeem", "cem", "cgff"),
}
LENGTHS = (21, 9, 4, 1)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "methods" / "clasnet.md"

on_every_base = pytest.mark.parametrize("base", BASES)
with_every_chain = pytest.mark.parametrize("chain", CHAINS, ids="+".join)


def batch(lengths: tuple[int, ...] = LENGTHS) -> Batch:
    """Videos of which the first two share a class; a point every five snippets, for bases that learn from them."""
    classes = labels(4)[[0, 0, 1, 2]][: len(lengths)]
    padded = Batch.from_features(videos(lengths), classes, pairs=[(0, 1)] if len(lengths) > 1 else [])
    marked = torch.arange(max(lengths)) % 5 == 0
    return replace(padded, points=padded.mask[..., None] * marked[:, None] * classes[:, None])


def stirred(model: Composition) -> Composition:
    """The model with its plug-ins' gates open: every parameter moved off its start, or padding could hide."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.plugins.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def middle(model: Composition, data: Batch) -> dict[str, torch.Tensor]:
    """Losses half-way through a training, where every schedule has left 0."""
    terms = model.losses(*model(data), data, Progress(step=50, max_step=100))
    return {name: term.value for name, term in terms.items()}


def test_there_is_something_to_test() -> None:
    assert {"acrnet", "co2net", "delu", "tssam"} <= set(BASES)
    assert set(PLUGINS) == set(PARTS) == {name for chain in CHAINS for name in chain}


@on_every_base
@with_every_chain
def test_the_start_is_the_base(base: str, chain: tuple[str, ...]) -> None:
    both, alone = small(base, plugins=chain).eval(), small(base).eval()
    alone.base.load_state_dict(both.base.state_dict())
    expected, found = alone(batch())[0], both(batch())[0]
    changes = differences(expected, found)
    assert len(changes) > 5 and set(changes.values()) == {0.0}
    assert found.has_background == expected.has_background
    assert found.extra.keys() == expected.extra.keys()


@on_every_base
@with_every_chain
def test_trained_plugins_do_change_the_outputs(base: str, chain: tuple[str, ...]) -> None:
    for plugin in chain:
        model = small(base, plugins=[plugin]).eval()
        before = model(batch())[0]
        changes = differences(before, stirred(model)(batch())[0])
        assert min(changes[name] for name in ("cas_logits", "attn", "act_scores", "feat")) > 1e-4


@on_every_base
@with_every_chain
def test_padding_changes_no_output(base: str, chain: tuple[str, ...]) -> None:
    model = stirred(small(base, plugins=chain))
    together = model(batch())[0]
    for row, video in enumerate(videos(LENGTHS)):
        own = _row(together, row, len(video))
        alone = model(Batch.from_features([video]))[0]
        assert max(differences(own, alone).values()) < 1e-5, f"video of {len(video)}"
        rest = together.act_scores[row, len(video) :], together.attn[row, len(video) :]
        assert not any(each.any() for each in rest)


def _row(out: Outputs, row: int, length: int) -> Outputs:
    """One video of a batch, without its padding."""

    def cut(value: torch.Tensor) -> torch.Tensor:
        return value[row : row + 1, :length] if value.ndim > 1 and value.shape[1] == max(LENGTHS) else value[row, None]

    fields = ("cas_logits", "attn", "act_scores", "video_scores", "feat")
    groups = ("streams", "stream_attn", "extra")
    return replace(
        out,
        **{name: cut(getattr(out, name)) for name in fields},
        **{name: {key: cut(value) for key, value in getattr(out, name).items()} for name in groups},
    )


@on_every_base
@with_every_chain
def test_padding_changes_no_loss(base: str, chain: tuple[str, ...]) -> None:
    model, data = stirred(small(base, plugins=chain)), batch()
    longer = replace(
        data,
        **{name: torch.nn.functional.pad(getattr(data, name), (0, 0, 0, 7)) for name in ("rgb", "flow", "points")},
        mask=torch.nn.functional.pad(data.mask, (0, 7)),
    )
    expected, found = middle(model, data), middle(model, longer)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name, atol=1e-5, rtol=1e-4)


@on_every_base
@with_every_chain
@pytest.mark.parametrize("lengths", [LENGTHS, (1,), (2,)], ids=str)
def test_every_parameter_of_a_plugin_gets_a_finite_gradient(
    base: str, chain: tuple[str, ...], lengths: tuple[int, ...]
) -> None:
    model = small(base, plugins=chain)
    data = batch(lengths)
    total_loss(model.losses(*model(data), data, Progress(step=50, max_step=100))).backward()
    for name, parameter in model.plugins.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@on_every_base
@pytest.mark.parametrize(("plugin", "part"), [(name, part) for name, parts in PARTS.items() for part in parts])
def test_every_part_comes_off(base: str, plugin: str, part: str) -> None:
    full, model = small(base, plugins=PLUGINS), small(base, plugins=PLUGINS, without=(f"{plugin}.{part}",))
    terms, whole = middle(model, batch()), middle(full, batch())
    total_loss(model.losses(*model(batch()), batch())).backward()
    fewer = sum(p.numel() for p in model.parameters()) < sum(p.numel() for p in full.parameters())
    assert fewer == (part not in ("brm", "sparsity", "contrast"))
    gone = {"brm": {"brm"}, "sparsity": {"sparsity"}, "contrast": {"contrast"}, "fcsm": {"contrast"}}.get(part, set())
    assert whole.keys() - terms.keys() == {f"clasnet.{term}" for term in gone}


@on_every_base
def test_without_all_its_parts_fenet_is_the_base(base: str) -> None:
    model = small(base, plugins=["fenet"], without=PARTS["fenet"])
    assert not list(model.plugins.parameters())
    alone = small(base)
    alone.base.load_state_dict(model.base.state_dict())
    assert set(differences(alone.eval()(batch())[0], model.eval()(batch())[0]).values()) == {0.0}


@on_every_base
@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_wrong_part_names_the_valid_ones(base: str, plugin: str) -> None:
    model = small(base, plugins=[plugin])
    own, others = set(PARTS[plugin]), set(model.components[base])
    assert not own & others, "a short name must mean one part"
    with pytest.raises(ModelError, match=f"{base} .* {plugin} has no part 'nonsense'") as caught:
        small(base, plugins=[plugin], without=("nonsense",))
    assert all(re.search(rf"\b{part}\b", caught.value.remedy or "") for part in own | others)


@on_every_base
@with_every_chain
def test_decoder_settings_are_the_bases_with_attention_added(base: str, chain: tuple[str, ...]) -> None:
    alone = DecoderSettings.from_dict(small(base).decoder_settings())
    both = DecoderSettings.from_dict(small(base, plugins=chain).decoder_settings())
    assert set(both.plugin_thresholds) == set(chain) & {"clasnet"}
    assert both.model_copy(update={"plugin_thresholds": {}}) == alone


ROWS = {
    "A": set(),
    "B": {"sparsity"},
    "C": {"contrast"},
    "D": {"brm"},
    "E": {"contrast", "sparsity"},
    "F": {"brm", "sparsity"},
    "G": {"contrast", "brm"},
    "H": {"contrast", "brm", "sparsity"},
    "B'": {"sparsity"},
    "D'": {"brm"},
    "F'": {"brm", "sparsity"},
}


def commands() -> dict[str, list[str]]:
    """The commands of the page's table, by row."""
    lines = re.findall(r"^\| (.+?) \|.*\| `wtalkit (.+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {row: shlex.split(command) for row, command in lines}


def test_the_page_has_every_row() -> None:
    assert commands().keys() == ROWS.keys()


@on_every_base
@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_clasnets_study_trains_a_step_with_its_terms(base: str, row: str) -> None:
    verb, *words = commands()[row]
    given = dict(zip(words[::2], words[1::2], strict=True))
    assert verb == "train" and given.keys() <= {"--method", "--base", "--without"}
    named = {"acrnet": base}.get(given["--method"], given["--method"])
    method, *plugins = resolve_parts(named, base, ())
    without = tuple(part for part in given.get("--without", "").split(",") if part)
    model, data = small(method, plugins=plugins, without=without), batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(2):
        terms = model.losses(*model(data), data, Progress(step=50, max_step=100))
        optimizer.zero_grad()
        total_loss(terms).backward()
        optimizer.step()
    assert all(torch.isfinite(term.value) for term in terms.values())
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
    assert terms.keys() == middle(small(base), data).keys() | {f"clasnet.{term}" for term in ROWS[row]}
    assert bool(list(model.plugins.parameters())) == (row in "BCDEFGH")
