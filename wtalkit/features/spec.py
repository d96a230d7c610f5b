"""How features were made. Two feature arrays may be mixed only if their specs agree."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wtalkit.backbones.specs import Stream
from wtalkit.errors import ConfigError, FeaturesError
from wtalkit.suggest import remedy
from wtalkit.timeline import Timeline

_MAY_BE_UNKNOWN = ("weights_hash", "flow_version", "resize", "pack")


class FeatureSpec(BaseModel):
    """Everything that decides what the numbers of a feature array mean.

    Public packs do not say which weights or which flow code made them, nor the size before cropping: there ``None``
    stands for "not known" and agrees with anything.

    Attributes:
        fps: frames per second after resampling.
        window: frames of a snippet.
        stride: frames from one snippet to the next.
        streams: what the columns hold, in order, in equal parts.
        dim: columns of the array, all streams together.
        backbone: name of the network.
        weights_hash: first 16 hex digits of the SHA-256 over its weight files.
        flow: name of the flow algorithm; ``"none"`` without a flow stream.
        flow_version: version of its numbers.
        resize: shorter side in pixels before cropping.
        crop: side of the centre crop in pixels; None is the full frame.
        pack: family of public packs they came in. The packs were made by different people with code and weights that
            nobody named, so that two families differ where all else agrees. None for features extracted here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fps: float = Field(gt=0, le=1e6)
    window: int = Field(gt=0, le=1 << 20)
    stride: int = Field(gt=0, le=1 << 20)
    streams: tuple[Stream, ...] = Field(min_length=1)
    dim: int = Field(gt=0, le=1 << 20)
    backbone: str
    weights_hash: str | None = None
    flow: str
    flow_version: str | None = None
    resize: int | None = None
    crop: int | None = None
    pack: str | None = None

    @property
    def timeline(self) -> Timeline:
        return Timeline(self.fps, self.window, self.stride)

    def differences(self, other: FeatureSpec) -> list[str]:
        """What differs, one short phrase each (``"fps 25.0 and 12.5"``: mine first); empty if the specs agree."""
        found = []
        for name in type(self).model_fields:
            mine, theirs = getattr(self, name), getattr(other, name)
            unknown = name in _MAY_BE_UNKNOWN and (mine is None or theirs is None)
            if mine != theirs and not unknown:
                found.append(f"{name} {_shown(mine)} and {_shown(theirs)}")
        return found

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude=set() if self.pack else {"pack"})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureSpec:
        """Read what :meth:`to_dict` wrote.

        Raises:
            FeaturesError: a field is missing, unknown or of the wrong type.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise FeaturesError(f"the feature spec is not valid ({first_problem(error)})") from error

    def __str__(self) -> str:
        made_by = self.backbone if self.flow == "none" else f"{self.backbone} + {self.flow}"
        of_pack = f", of {self.pack} packs" if self.pack else ""
        return f"{made_by}, (T, {self.dim}) at {self.fps:g} fps, {self.window} frames every {self.stride}{of_pack}"


def first_problem(error: ValidationError) -> str:
    """The first complaint of a pydantic error as ``"field: what is wrong"``."""
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"])


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return "+".join(str(part) for part in value)
    return "none" if value is None else str(value)


_I3D = FeatureSpec(
    fps=25, window=16, stride=16, streams=("rgb", "flow"), dim=2048, backbone="i3d", flow="tvl1", crop=224
)

# The packs of the field hold what was made with them, but no record of it.
PRESETS = {
    "i3d-25fps-s16": _I3D,
    "i3d-25fps-s16-rgb": FeatureSpec(
        fps=25, window=16, stride=16, streams=("rgb",), dim=1024, backbone="i3d", flow="none", crop=224
    ),
    "thumos14-wtalc-25fps-s16": _I3D.model_copy(update={"pack": "wtalc"}),
    "activitynet1.2-wtalc-25fps-s16": _I3D.model_copy(update={"pack": "wtalc"}),
    "thumos14-cola-25fps-s16": _I3D.model_copy(update={"pack": "cola"}),
    "activitynet1.2-cola-25fps-s16": _I3D.model_copy(update={"pack": "cola"}),
    "thumos14-acmnet-25fps-s16": _I3D.model_copy(update={"pack": "acmnet"}),
    "activitynet1.3-acmnet-25fps-s16": _I3D.model_copy(update={"pack": "acmnet"}),
    "thumos14-actionformer-30fps-s4": _I3D.model_copy(update={"fps": 30.0, "stride": 4, "pack": "actionformer"}),
    "activitynet1.3-actionformer-25fps-s16": _I3D.model_copy(update={"pack": "actionformer"}),
    "activitynet1.3-actionformer-tsp-15fps-s16": FeatureSpec(
        fps=15, window=16, stride=16, streams=("rgb",), dim=512, backbone="tsp-r2plus1d-34", flow="none", crop=112,
        pack="actionformer",
    ),
}  # fmt: skip


def preset(name: str) -> FeatureSpec:
    """The spec named by ``--assume-spec``.

    Raises:
        ConfigError: no such preset; the message names the nearest and all valid ones.
    """
    if name in PRESETS:
        return PRESETS[name]
    raise ConfigError(f"unknown spec preset {name!r}", remedy=remedy(name, PRESETS))
