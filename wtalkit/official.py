"""Authors' checkpoints turned into model files, so that ``detect`` and ``evaluate`` take them like any other.

Nothing in a checkpoint is run: it is read with ``weights_only=True``, and what holds more than numbers is refused.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtalkit import __version__
from wtalkit.documents import read_limited
from wtalkit.errors import ConfigError, ModelError
from wtalkit.suggest import remedy
from wtalkit.torch_files import Suspicious, check_archive, check_tensors
from wtalkit.zoo import bundled_dir

if TYPE_CHECKING:
    from torch import Tensor

    from wtalkit.methods.composition import Model

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "state")
"""Names under which training scripts keep the weights among other things."""

_THUMOS_CLASSES = 20
_REFUSED = re.compile(r"(?i:unsupported)(?: global:)? (?:GLOBAL|class) (\S+)")


def import_model(
    file: str | os.PathLike[str],
    method: str,
    *,
    classes: str | os.PathLike[str] | None = None,
    dataset: str | None = None,
    spec: str = "i3d-25fps-s16",
    threshold: float | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Path:
    """Turn an authors' checkpoint into a model file.

    Decoder and inference length are those of the method's recipe for the data set, with what repeats the authors'
    decoding to the digit.

    Args:
        file: what ``torch.save`` wrote, or ``.safetensors``: a state dict, or a dict that holds one.
        method: the base, or method on proposals, that it belongs to.
        classes: text file of class names, one a line, in the order of the authors' outputs.
        dataset: a data set whose class names are bundled, instead.
        spec: preset of the features it was trained on.
        threshold: least score ``detect`` shows; without one it shows everything.
        out: where to; ``<method>-<data set or file>.safetensors`` in the current folder when None.

    Returns:
        The model's file.

    Raises:
        ModelError: the checkpoint is damaged, holds code, or is not this method's; the classes are not as many.
        ConfigError: the classes, the data set or the spec cannot be used.
    """
    from wtalkit.features import preset
    from wtalkit.localization import DecoderSettings
    from wtalkit.methods import load_official
    from wtalkit.methods.composition import ProposalModel
    from wtalkit.modelfile import ModelHeader, save_model
    from wtalkit.proposals import Proposer
    from wtalkit.training.fit import supervision_of

    source = Path(file)
    features = preset(spec)
    names = read_classes(classes, dataset)
    state = read_checkpoint(source)
    try:
        model = load_official(method, state)
    except ModelError as error:
        raise ModelError(error.cause, file=source, remedy=error.remedy) from error
    _require_fitting(source, model, len(names), features.dim)
    recipe_decoder, length = _recipe(
        method, dataset or ("thumos14" if len(names) == _THUMOS_CLASSES else "activitynet1.2")
    )
    decoder = {**model.decoder_settings(), **recipe_decoder, **model.base.official_decoder_settings()}
    target = Path(out) if out is not None else Path(f"{method}-{dataset or source.stem}.safetensors")
    if target.exists() and target.samefile(source):
        raise ConfigError("would be overwritten", file=target, remedy="Name another file with --out")
    made_by = Proposer() if isinstance(model, ProposalModel) else None  # who it was, the weights do not say
    header = ModelHeader.of(
        model,
        names,
        wtalkit=__version__,
        feature_spec=features.to_dict(),
        decoder=DecoderSettings.from_dict(decoder).to_dict(),
        display_threshold=threshold,
        max_length=length,
        supervision=supervision_of((method,), made_by),
        proposals=made_by,
        provenance={"imported_from": source.name, "sha256": _sha256(source), "dataset": dataset or "", "by": "authors"},
    )
    save_model(target, model, header)
    return target


def read_classes(file: str | os.PathLike[str] | None, dataset: str | None) -> tuple[str, ...]:
    """Class names from a text file, or those of a data set.

    Raises:
        ConfigError: not exactly one of the two is given, or the names cannot be used.
    """
    if (file is None) == (dataset is None):
        raise ConfigError("the class names come from either --classes FILE or --dataset D")
    if dataset is not None:
        bundled = {path.stem: path for path in (bundled_dir() / "classes").glob("*.txt")}
        if dataset not in bundled:
            raise ConfigError(f"there are no class names of a data set {dataset!r}", remedy=remedy(dataset, bundled))
        file = bundled[dataset]
    assert file is not None
    try:
        text = read_limited(Path(file), error=ConfigError).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", file=file, remedy="Write one class name per line") from error
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None or not names:
        cause = "holds no class names" if not names else f"names {twice!r} twice"
        raise ConfigError(cause, file=file, remedy="Write one class name per line")
    return names


def read_checkpoint(file: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint, float32, on the CPU; nothing in it is run.

    Raises:
        ModelError: missing, damaged, holding code, or holding no weights.
    """
    import torch

    if not file.is_file():
        raise ModelError("is a folder, not a file" if file.is_dir() else "no such file", file=file)
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(file)
        else:
            check_archive(file)
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Suspicious as error:
        raise _suspicious(file, error) from error
    except pickle.UnpicklingError as error:
        found = _REFUSED.search(str(error))
        if found is None:
            raise _damaged(file) from error
        raise ModelError(
            f"holds more than weights ({found[1]}) and was refused, as reading it would run code",
            file=file,
            remedy="Where you trust it, save its state dict alone with torch.save(model.state_dict(), FILE)",
        ) from error
    except Exception as error:  # both readers raise many kinds on damaged files, some of them private
        raise _damaged(file) from error
    state = _weights_in(content)
    if not state:
        raise ModelError(
            "holds no weights by name", file=file, remedy=f"Looked for a state dict, or one under {WRAPPERS}"
        )
    try:
        check_tensors(state.values(), file)
    except Suspicious as error:
        raise _suspicious(file, error) from error
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise ModelError("holds weights that are not numbers (NaN or infinite)", file=file)
    return state


def _weights_in(content: Any, depth: int = 2) -> dict[str, Tensor]:
    """The table of tensors, itself or under one of the usual names; empty if there is none."""
    import torch

    if not isinstance(content, Mapping):
        return {}
    # Tables first: a script may keep its step or best score as a tensor beside them.
    if depth and (found := next(filter(None, (_weights_in(content.get(name), depth - 1) for name in WRAPPERS)), None)):
        return found
    return {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}


def _require_fitting(file: Path, model: Model, names: int, dim: int) -> None:
    spec = model.spec
    if spec.num_classes != names:
        raise ModelError(f"knows {spec.num_classes} actions, but {names} class names were given", file=file)
    if spec.feature_dim != dim:
        raise ModelError(
            f"takes features {spec.feature_dim} wide, those of the spec have {dim}",
            file=file,
            remedy="Name the features it was trained on with --spec",
        )


def _recipe(method: str, name: str) -> tuple[dict[str, Any], int]:
    """Decoder settings and inference length of a bundled recipe; a method without it has neither wish."""
    from wtalkit.modelfile import ModelHeader
    from wtalkit.training.recipes import load_recipe

    if not (bundled_dir() / "recipes" / method / f"{name}.toml").is_file():
        return {}, ModelHeader.model_fields["max_length"].default
    settings = load_recipe(name, method).settings
    return dict(settings.decoder), settings.inference_length


def _suspicious(file: Path, error: Suspicious) -> ModelError:
    return ModelError(str(error), file=file, remedy="Get it from its publisher again")


def _damaged(file: Path) -> ModelError:
    return ModelError(
        "is not a readable checkpoint of torch.save, or cut off", file=file, remedy="Get it from its publisher again"
    )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
