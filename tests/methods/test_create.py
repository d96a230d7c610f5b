"""Names, roles, options and the table of methods."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from wtalkit.errors import ConfigError, ModelError
from wtalkit.localization import DecoderSettings
from wtalkit.methods import METHODS, build, create
from wtalkit.methods.composition import MethodSpec
from wtalkit.methods.interface import Batch, Term


def test_the_table_names_what_the_contract_names() -> None:
    assert set(METHODS) == {"co2net", "delu", "acrnet", "tssam", "pmil", "seal", "lac", "clasnet", "fenet"}
    assert {name for name, entry in METHODS.items() if entry.role == "plugin"} == {"clasnet", "fenet"}
    assert (METHODS["clasnet"].default_base, METHODS["fenet"].default_base) == ("acrnet", "co2net")


def test_a_plugin_by_name_and_by_option_are_the_same() -> None:
    by_name = create("clasnet", num_classes=3, feature_dim=32, n_dilated=2, acrnet={"merge": "heads"})
    by_option = create(
        "acrnet", num_classes=3, feature_dim=32, plugins=["clasnet"], merge="heads", clasnet={"n_dilated": 2}
    )
    assert by_name.spec == by_option.spec
    assert by_name.components["clasnet"] == ("fcsm", "brm", "sparsity", "dilated", "mha", "contrast")


def test_a_spec_builds_the_same_again() -> None:
    model = create("clasnet", num_classes=3, feature_dim=32, without=("brm",))
    assert {k: v.shape for k, v in build(model.spec).state_dict().items()} == {
        k: v.shape for k, v in model.state_dict().items()
    }
    assert model.without(("mha",)).spec.without == ("brm", "mha")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "clasnett"}, r"no method 'clasnett'. Did you mean clasnet\?"),
        ({"name": "seal", "base": "acrnet"}, "seal is a method on proposals itself"),
        ({"name": "fenet", "base": "seal"}, r"seal \+ fenet do not fit together"),
        ({"name": "seal", "plugins": ["clasnet"]}, r"seal \+ clasnet do not fit together"),
        ({"name": "acrnet", "plugins": ["acrnet"]}, "acrnet is a base, not a plug-in. .*clasnet"),
        ({"name": "acrnet", "base": "clasnet"}, "acrnet is a base itself"),
        ({"name": "clasnet", "base": "clasnet"}, "clasnet is a plug-in, not a base"),
        ({"name": "clasnet", "without": ["brn"]}, r"acrnet \+ clasnet has no part 'brn'. Did you mean brm\?"),
        ({"name": "acrnet", "without": ["brm"]}, "acrnet has no part 'brm'"),
        ({"name": "acrnet", "feature_dim": 31}, "even feature width"),
    ],
)
def test_wrong_names_are_refused_with_the_nearest_valid_one(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        create(**{"num_classes": 3, "feature_dim": 32, **arguments})  # type: ignore[arg-type]


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"clasnet has no option 'n_dilate'. Did you mean n_dilated\?"):
        create("clasnet", num_classes=3, feature_dim=32, n_dilate=3)
    with pytest.raises(ConfigError, match="options of clasnet are a table"):
        create("acrnet", num_classes=3, feature_dim=32, plugins=["clasnet"], clasnet=3)
    with pytest.raises(ConfigError, match="options for clasnet, which is not in use"):
        build(MethodSpec("acrnet", 3, 32, options={"clasnet": {}}))


def test_losses_come_unweighted_with_their_weight() -> None:
    torch.manual_seed(0)
    model = create("acrnet", num_classes=3, feature_dim=32, aas_weight=0.25)
    batch = Batch.from_features([torch.rand(9, 32)], torch.eye(3)[:1])
    terms = model.losses(*model(batch), batch)
    assert {name: term.weight for name, term in terms.items()} == {
        "base.cas": 1,
        "base.aas_rgb": 0.25,
        "base.aas_flow": 0.25,
    }
    assert all(isinstance(term, Term) for term in terms.values())


def test_batches_check_their_shapes() -> None:
    with pytest.raises(ValueError, match="one even width"):
        Batch.from_features([torch.rand(4, 32), torch.rand(4, 30)])
    with pytest.raises(ValueError, match="mask"):
        Batch(torch.rand(1, 4, 8), torch.rand(1, 4, 8), torch.ones(1, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match="boolean"):
        Batch(torch.rand(1, 4, 8), torch.rand(1, 4, 8), torch.ones(1, 4))


def test_the_table_is_read_without_torch() -> None:
    heavy = ("torch", "numpy", "pydantic")
    code = f"import sys, wtalkit.methods as m; m.METHODS; sys.exit(any(x in sys.modules for x in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_decoder_settings_are_the_decoders_own() -> None:
    acrnet = DecoderSettings.from_dict(create("acrnet", num_classes=3, feature_dim=32).decoder_settings())
    assert (acrnet.cls_threshold, acrnet.gamma, acrnet.inflation, acrnet.min_points) == (0.1, 0.2, 0.25, 2)
    assert acrnet.thresholds == pytest.approx([0.1 + 0.05 * step for step in range(18)])
    assert (acrnet.nms, acrnet.sigma, acrnet.tiou, acrnet.upscale) == ("bsn", 0.5, 0.1, 16)
    both = DecoderSettings.from_dict(create("clasnet", num_classes=3, feature_dim=32).decoder_settings())
    assert both.plugin_thresholds["clasnet"] == pytest.approx([0.1 + 0.05 * step for step in range(17)])
    assert both.model_copy(update={"plugin_thresholds": {}}) == acrnet
    alone = create("clasnet", num_classes=3, feature_dim=32, without=("fcsm",)).decoder_settings()
    assert DecoderSettings.from_dict(alone) == acrnet
