"""The side file of a feature array: its spec, and how its video went."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wtalkit.errors import InputError
from wtalkit.features.spec import FeatureSpec, first_problem

if TYPE_CHECKING:
    from os import PathLike

SCHEMA = 1
_SPEC_FIELDS = tuple(FeatureSpec.model_fields)


class FeatureRecord(BaseModel):
    """What ``DIR/KEY.json`` says.

    Attributes:
        spec: how the features were made.
        video: file name of the video.
        duration_s: seconds of video that were decoded, the last frame included.
        frames: frames after resampling.
        complete: False if the video is damaged and was kept on request.
        gaps: seconds ``(start, end)`` without a decoded frame.
        warnings: remarks, one sentence each.
        expected_duration_s: seconds the container states; None where it does not say.
        source_bytes: size of the video file, to notice that it was replaced.
        array_sha256: of the array's numbers, row after row; None where it was not noted.
        precision: numbers that the backbone computed in; the features are float32 whatever it is.
        wtalkit: version that wrote it.
        imported_from: name of the pack's file, or files, that the array came from; None for one extracted here.
        imported_bytes: how large that is, to notice that it was replaced.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    spec: FeatureSpec
    video: str
    duration_s: float = Field(ge=0, allow_inf_nan=False)
    frames: int = Field(ge=0, le=1 << 40)
    complete: bool = True
    gaps: tuple[tuple[float, float], ...] = ()
    warnings: tuple[str, ...] = ()
    expected_duration_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    source_bytes: int | None = None
    array_sha256: str | None = None
    precision: str = "float32"
    wtalkit: str = ""
    imported_from: str | None = None
    imported_bytes: int | None = None

    def to_json(self) -> str:
        """The flat JSON document, spec and rest side by side."""
        of_packs = set() if self.imported_from else {"imported_from", "imported_bytes"}
        rest = self.model_dump(mode="json", exclude={"spec", *of_packs})
        return json.dumps({"schema": SCHEMA, "video": rest.pop("video"), **self.spec.to_dict(), **rest}, indent=1)

    @classmethod
    def from_json(cls, text: str, file: str | PathLike[str]) -> FeatureRecord:
        """Read what :meth:`to_json` wrote; ``file`` is named in errors. Unknown keys are ignored.

        Raises:
            InputError: not such a document, or written by a newer wtalkit.
        """
        try:
            values: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _damaged(file, "it is not JSON") from error
        if not isinstance(values, dict) or not isinstance(values.get("schema"), int):
            raise _damaged(file, 'it has no "schema" number')
        if values["schema"] > SCHEMA:
            cause = f"was written by a newer wtalkit (schema {values['schema']}, this one reads up to {SCHEMA})"
            raise InputError(cause, file=file, remedy="Update wtalkit")
        spec = {name: values.pop(name) for name in _SPEC_FIELDS if name in values}
        try:
            return cls.model_validate({**values, "spec": spec})
        except ValidationError as error:
            raise _damaged(file, first_problem(error)) from error


def _damaged(file: str | PathLike[str], why: str) -> InputError:
    return InputError(f"is not a feature record ({why})", file=file, remedy="Extract the video again")
