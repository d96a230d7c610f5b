"""Methods: feature streams in, activations out. One file each; this one only knows their names.

    create("clasnet", num_classes=20)                          # ACRNet with the plug-in CLASNet
    create("acrnet", num_classes=20, plugins=("clasnet",), clasnet={"n_dilated": 3})

Importing this package does not import torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wtalkit.errors import ConfigError, ModelError
from wtalkit.suggest import remedy

if TYPE_CHECKING:
    from torch import Tensor

    from wtalkit.methods.composition import MethodSpec, Model
    from wtalkit.methods.interface import Part

__all__ = ["METHODS", "MethodEntry", "build", "create", "load_official"]

Role = Literal["base", "plugin", "proposals"]


ROLE_NAMES: dict[Role, str] = {"base": "a base", "plugin": "a plug-in", "proposals": "a method on proposals"}


@dataclass(frozen=True)
class MethodEntry:
    """A method's place in the table.

    Attributes:
        role: base, plug-in, or working on proposals.
        title: one line for a listing.
        code: ``module:class`` below this package; None when this version does not have it.
        default_base: the base that a plug-in is put on, or that makes the proposals, when none is named.
    """

    role: Role
    title: str
    code: str | None = None
    default_base: str | None = None

    @property
    def available(self) -> bool:
        return self.code is not None


METHODS: dict[str, MethodEntry] = {
    "acrnet": MethodEntry("base", "Adaptive clustering and refining network, ICME 2023", "acrnet:ACRNet"),
    "co2net": MethodEntry("base", "Cross-modal consensus network, ACM MM 2021", "co2net:CO2Net"),
    "delu": MethodEntry("base", "Dual-evidential learning for uncertainty modelling, ECCV 2022", "delu:DELU"),
    "tssam": MethodEntry("base", "Two-stream network with semantic-aware mechanism, CVPR 2023", "tssam:TSSAM"),
    "clasnet": MethodEntry("plugin", "Contrastive learning-based action salience network", "clasnet:CLASNet", "acrnet"),
    "fenet": MethodEntry("plugin", "Feature enhancement, our reading of the abstract", "fenet:FENet", "co2net"),
    "pmil": MethodEntry("proposals", "Proposal-based multiple instance learning, CVPR 2023", "pmil:PMIL", "co2net"),
    "seal": MethodEntry(
        "proposals", "Similar modality enhancement and action consistency learning", "seal:SEAL", "co2net"
    ),
    "lac": MethodEntry("base", "Learning action completeness from points, ICCV 2021", "lac:LAC"),
}


def create(
    name: str,
    *,
    num_classes: int,
    feature_dim: int = 2048,
    plugins: Iterable[str] = (),
    without: Iterable[str] = (),
    base: str | None = None,
    feature_rms: float | None = None,
    **options: Any,
) -> Model:
    """Build a method with fresh weights.

    Args:
        name: a base, a proposal method, or a plug-in, which is put on ``base`` (default: the table's).
        num_classes: action classes, background not counted.
        feature_dim: width of RGB and flow together; hidden widths scale with ``feature_dim / 2048`` unless given.
        plugins: further plug-ins, in the order they run.
        without: components to leave out, as ``part`` or ``method.part``.
        base: the base under a plug-in. A proposal method takes none: what makes its proposals is a model of its own.
        feature_rms: bring features to this root mean square (measured by ``prepare``) before anything else.
        **options: hyper-parameters of ``name``; those of another part in a dict of its name.

    Raises:
        ModelError: an unknown method or component, or one this version does not have.
        ConfigError: an unknown or unusable option.
    """
    from wtalkit.methods.composition import MethodSpec

    entry, chain, named = _entry(name), list(plugins), name
    if entry.role == "plugin":
        chain.insert(0, name)
        name = base or entry.default_base or ""
    elif base is not None and base != name:
        raise ModelError(f"{name} is {ROLE_NAMES[entry.role]} itself and takes no other base ({base})")
    chain = list(dict.fromkeys(chain))
    tables = _tables(options, named, (name, *chain))
    return build(MethodSpec(name, num_classes, feature_dim, tuple(chain), tuple(without), tables, feature_rms))


def build(spec: MethodSpec) -> Model:
    """Build what ``spec`` describes, with fresh weights.

    Raises:
        ModelError, ConfigError: as :func:`create`.
    """
    from wtalkit.methods.composition import Composition, ProposalModel
    from wtalkit.methods.interface import Method, Plugin, ProposalMethod

    if spec.feature_dim < 2 or spec.feature_dim % 2 or spec.num_classes < 1:
        raise ModelError(
            f"{spec.method} needs an even feature width and a class, got {spec.feature_dim} and {spec.num_classes}"
        )
    _require_role(spec.method, "base", "proposals")
    for plugin in spec.plugins:
        _require_role(plugin, "plugin")
    names = (spec.method, *spec.plugins)
    kinds = {name: method_class(name) for name in names}
    removed = _resolve(spec.without, kinds)
    for stray in spec.options.keys() - kinds.keys():
        raise ConfigError(f"there are options for {stray}, which is not in use", remedy=remedy(stray, kinds))
    parts = [_instance(kinds[name], spec, spec.options.get(name, {}), removed[name]) for name in names]
    method, chain = parts[0], [part for part in parts[1:] if isinstance(part, Plugin)]
    if isinstance(method, ProposalMethod) and not spec.plugins:
        return ProposalModel(spec, method)
    if not isinstance(method, Method) or len(chain) < len(spec.plugins):
        raise ModelError(
            f"{' + '.join(names)} do not fit together",
            remedy="Plug-ins work on a base, also on one that makes proposals",
        )
    return Composition(spec, method, chain)


def load_official(method: str, state_dict: Mapping[str, Tensor]) -> Model:
    """Build ``method`` around its authors' weights (their names; entries never used are dropped), in eval mode.

    Raises:
        ModelError: the weights are not this method's.
    """
    from wtalkit.methods.composition import MethodSpec
    from wtalkit.methods.interface import Method, ProposalMethod

    _require_role(method, "base", "proposals")
    kind = method_class(method)
    assert issubclass(kind, Method | ProposalMethod)
    nothing = (Method.from_official.__func__, ProposalMethod.from_official.__func__)  # type: ignore[attr-defined]
    if kind.from_official.__func__ in nothing:  # type: ignore[attr-defined]
        raise ModelError(f"there are no weights by the authors of {method}")
    official = kind.from_official({key.removeprefix("module."): value for key, value in state_dict.items()})
    model = build(MethodSpec(method, official.num_classes, official.feature_dim, options={method: official.options}))
    wanted = model.base.state_dict()
    missing = sorted(set(wanted) - set(official.state))
    if missing:
        raise ModelError(
            f"these are not {method}'s weights: {', '.join(missing[:3])} and {len(missing)} in all missing"
        )
    for key, value in wanted.items():
        if official.state[key].shape != value.shape:
            raise ModelError(
                f"{method}: {key} has shape {tuple(official.state[key].shape)}, expected {tuple(value.shape)}"
            )
    model.base.load_state_dict({key: official.state[key] for key in wanted})
    return model.eval()


def _entry(name: str) -> MethodEntry:
    if name not in METHODS:
        raise ModelError(f"there is no method {name!r}", remedy=remedy(name, METHODS))
    entry = METHODS[name]
    if not entry.available:
        built = ", ".join(known for known, other in METHODS.items() if other.available)
        raise ModelError(f"the method {name} is not in this version", remedy=f"It has {built}")
    return entry


def _require_role(name: str, *roles: Role) -> None:
    found = _entry(name).role
    if found not in roles:
        fitting = [known for known, other in METHODS.items() if other.role in roles and other.available]
        raise ModelError(f"{name} is {ROLE_NAMES[found]}, not {ROLE_NAMES[roles[0]]}", remedy=remedy(name, fitting))


def method_class(name: str) -> type[Part]:
    """The class behind a name.

    Raises:
        ModelError: there is no such method, or not in this version.
    """
    module, _, attribute = (_entry(name).code or "").partition(":")
    kind: type[Part] = getattr(importlib.import_module(f"wtalkit.methods.{module}"), attribute)
    return kind


def _instance(kind: type[Part], spec: MethodSpec, options: Any, without: frozenset[str]) -> Part:
    from wtalkit.methods.options import read_options

    if not isinstance(options, Mapping):
        raise ConfigError(f"the options of {kind.name} are a table, got {options!r}")
    return kind(spec.num_classes, spec.feature_dim, read_options(kind.options_type, options, kind.name), without)


def _resolve(without: Iterable[str], kinds: Mapping[str, type[Part]]) -> dict[str, frozenset[str]]:
    """Which components each part loses."""
    removed: dict[str, set[str]] = {name: set() for name in kinds}
    valid = {f"{name}.{part}": (name, part) for name, kind in kinds.items() for part in kind.components}
    valid.update({part: (name, part) for name, kind in kinds.items() for part in kind.components})
    for wanted in without:
        if wanted not in valid:
            short = [key for key in valid if "." not in key]
            raise ModelError(f"{' + '.join(kinds)} has no part {wanted!r}", remedy=remedy(wanted, short))
        owner, part = valid[wanted]
        removed[owner].add(part)
    return {name: frozenset(parts) for name, parts in removed.items()}


def _tables(options: Mapping[str, Any], named: str, parts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """One table of options per part: those given flat belong to the method that was named."""
    tables = {part: options[part] for part in parts if part in options}
    flat = {key: value for key, value in options.items() if key not in tables}
    if flat:
        tables[named] = {**tables.get(named, {}), **flat}
    return tables


def __getattr__(name: str) -> Any:
    """The classes others need, imported only when asked for (they import torch)."""
    homes = {
        "Batch": "interface", "VideoMeta": "interface", "Outputs": "interface", "Progress": "interface",
        "Term": "interface", "TrainVideo": "interface", "ProposalBatch": "interface", "Composition": "composition",
        "ProposalModel": "composition", "MethodSpec": "composition", "total_loss": "composition",
        "run_windows": "windows", "run_proposals": "rescoring", "Activations": "windows",
    }  # fmt: skip
    if name in homes:
        return getattr(importlib.import_module(f"wtalkit.methods.{homes[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
