"""The knobs of the decoder. A model's header holds them; a recipe sets them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wtalkit.errors import ModelError

Level = Annotated[float, Field(allow_inf_nan=False)]
Levels = tuple[Level, ...]


class DecoderSettings(BaseModel):
    """How activations become scored segments; the defaults are ours for bases without a background class.

    Attributes:
        cls_threshold: classes whose video score reaches this are kept, and the best one always.
        thresholds: levels that cut runs out of each kept class's ``act_scores``.
        attn_thresholds: levels that cut runs out of the base's attention, once for every kept class.
        plugin_thresholds: the same for the attention of plug-ins, by plug-in name.
        strict: runs lie above (>) their level instead of at or above it.
        min_points: shorter runs are dropped, points (after up-sampling).
        keep_whole: keep runs over the whole video. They have no outside to be compared with, so OIC's outer mean is 0
            and they outscore everything else; the authors' long videos hardly have any, short ones always do. When
            False they are left out where the class has any other run.
        upscale: points per snippet.
        interpolation: ``centred`` puts a snippet's value in the middle of its cell, ``left`` at its start (ACRNet);
            ``left_beyond`` is ``left`` where the last slope may leave the range from 0 to 1 (LAC).
        score: curve that OIC looks at: ``act_scores`` or the raw product that some codes score with (``logits``).
        inflation: OIC's margins as a part of the segment's length.
        whole_margins: OIC's margins are whole points, as in the authors' codes.
        oic_below: OIC of a run of ``act_scores`` sees the curve as it is (``keep``), or 0 where that is below the run's
            own level (``zero``, LAC). Runs of an attention have no level of that curve.
        oic_pad: what of a margin lies beyond the video is left out (``clip``) or counts as 0 (``zero``).
        gamma: weight of the video score in a segment's score.
        lose_lone_first: drop a level's runs when they are only the first point, as the authors' codes (by accident) do.
        time_shift: seconds added to starts and ends (ACRNet: one frame).
        nms: kind of Soft-NMS.
        sigma: its width; ``bsn``: alpha.
        tiou: its IoU threshold; ``bsn``: the low bound.
        plus_one: its lengths are points plus one, as in CO2-Net's family, instead of seconds; or ``seconds`` plus one,
            as in LAC's code.
        min_score: candidates that fall below are dropped; None keeps all.
        drop_short: after Soft-NMS, segments not longer than this many snippets are dropped (DELU: 1); 0 keeps all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cls_threshold: Level = 0.1
    thresholds: Levels = tuple(round(0.05 * step, 2) for step in range(2, 20))
    attn_thresholds: Levels = ()
    plugin_thresholds: dict[str, Levels] = Field(default_factory=dict)
    strict: bool = False
    min_points: Annotated[int, Field(ge=1)] = 2
    keep_whole: bool = True
    upscale: Annotated[int, Field(ge=1, le=64)] = 1
    interpolation: Literal["centred", "left", "left_beyond"] = "centred"
    score: Literal["act_scores", "logits"] = "act_scores"
    inflation: Annotated[float, Field(ge=0, le=10)] = 0.25
    whole_margins: bool = False
    oic_below: Literal["keep", "zero"] = "keep"
    oic_pad: Literal["clip", "zero"] = "clip"
    gamma: Level = 0.2
    lose_lone_first: bool = False
    time_shift: tuple[Level, Level] = (0.0, 0.0)
    nms: Literal["gaussian", "linear", "hard", "bsn"] = "gaussian"
    sigma: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.3
    tiou: Annotated[float, Field(ge=0, le=1)] = 0.7
    plus_one: bool | Literal["seconds"] = False
    min_score: Level | None = None
    drop_short: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON and TOML (where nothing stands for None)."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DecoderSettings:
        """Settings from plain values.

        Raises:
            ModelError: an unknown name or a value of the wrong kind.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ModelError(f"the decoder setting {where!r} is wrong: {first['msg']}") from error
