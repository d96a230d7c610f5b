"""What a check found: every file with its facts, and every remark with the file and the line it concerns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from wtalkit import __version__

if TYPE_CHECKING:
    from wtalkit.features.spec import FeatureSpec
    from wtalkit.inputs import Failure

State = Literal["whole", "partial", "failed", "opened"]
"""``whole``: read to its end, nothing missing. ``partial``: something is. ``failed``: of no use. ``opened``: in a fast
check, only its head was read."""

Kind = Literal["annotations", "labels", "classes", "splits", "times", "features"]


@dataclass(frozen=True)
class CheckedVideo:
    """One video, decoded to its end.

    Attributes:
        key: its key.
        path: the file.
        state: see :data:`State`.
        cause: why it is not whole.
        duration_s: seconds decoded; in a fast check what the container states.
        expected_s: seconds the container states; None where it does not say.
        frames: decoded.
        fps: frames per second on average; None where nothing was decoded.
        variable_rate: whether the time between frames changes; None where that was not looked at.
        width: px, as displayed.
        height: px, as displayed.
        codec: name of the decoder.
        gaps: seconds ``(start, end)`` without a picture.
        warnings: of the decoding, one sentence each.
        content: digest of what it shows; None where it was not decoded.
    """

    key: str
    path: str
    state: State
    cause: str | None = None
    duration_s: float | None = None
    expected_s: float | None = None
    frames: int | None = None
    fps: float | None = None
    variable_rate: bool | None = None
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    gaps: tuple[tuple[float, float], ...] = ()
    warnings: tuple[str, ...] = ()
    content: str | None = None


@dataclass(frozen=True)
class CheckedFeatures:
    """One array of features, with its record if it has one.

    Attributes:
        key: its key.
        path: the array's file.
        state: see :data:`State`; ``partial`` for features of a damaged video that was kept on request.
        cause: why it is not whole.
        snippets: T.
        dim: width.
        duration_s: seconds of video, as the record says; None without one.
        source_bytes: size of the video it was made from, as the record says.
        has_record: whether there is one.
        content: digest of its numbers.
        spec: how it was made, as the record says, or as was assumed.
    """

    key: str
    path: str
    state: State
    cause: str | None = None
    snippets: int | None = None
    dim: int | None = None
    duration_s: float | None = None
    source_bytes: int | None = None
    has_record: bool = False
    content: str | None = None
    spec: FeatureSpec | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Finding:
    """Something to know of the data.

    Attributes:
        kind: what it is about.
        text: what is the matter, without a full stop.
        file: where, if it can be said.
        line: line of the file, from 1.
        is_problem: whether it is to be mended first; else it is odd, and a training or a score goes on without it.
    """

    kind: Kind
    text: str
    file: str | None = None
    line: int | None = None
    is_problem: bool = False

    def __str__(self) -> str:
        where = "" if self.file is None else f"{self.file}: "
        return f"{where}{self.text}" if self.line is None else f"{where}line {self.line}: {self.text}"


@dataclass(frozen=True)
class Report:
    """The outcome of a check.

    Attributes:
        videos: those that were found, in order.
        features: likewise.
        failures: inputs that are not there.
        annotations: path, videos, subsets and classes of the labels; None where none were looked at.
        classes: videos of each class by subset.
        duplicates: groups of keys with the same content.
        findings: problems first.
    """

    videos: tuple[CheckedVideo, ...] = ()
    features: tuple[CheckedFeatures, ...] = ()
    failures: tuple[Failure, ...] = ()
    annotations: Mapping[str, Any] | None = None
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    duplicates: tuple[tuple[str, ...], ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What is to be mended before anything is trained."""
        return tuple(finding for finding in self.findings if finding.is_problem)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is odd."""
        return tuple(finding for finding in self.findings if not finding.is_problem)

    @property
    def failed(self) -> tuple[CheckedVideo | CheckedFeatures, ...]:
        """Files that cannot be used as they are."""
        videos = [video for video in self.videos if video.state in ("partial", "failed")]
        return (*videos, *(array for array in self.features if array.state == "failed"))

    @property
    def exit_code(self) -> int:
        """0: all is well. 1: inputs failed. 2: labels, splits or the features folder cannot be used as they are."""
        if self.problems:
            return 2
        return 1 if self.failed or self.failures else 0

    def to_dict(self) -> dict[str, Any]:
        """All of it as a JSON document."""
        return {
            "wtalkit": __version__,
            "exit_code": self.exit_code,
            "annotations": self.annotations,
            "classes": self.classes,
            "videos": {video.key: _without_key(asdict(video)) for video in self.videos},
            "features": {
                each.key: {**_without_key(asdict(each)), "spec": None if each.spec is None else each.spec.to_dict()}
                for each in self.features
            },
            "duplicates": [list(group) for group in self.duplicates],
            "failures": [{"path": each.path, "cause": each.cause} for each in self.failures],
            "problems": [_finding(each) for each in self.problems],
            "warnings": [_finding(each) for each in self.warnings],
        }


def _without_key(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "key"}


def _finding(finding: Finding) -> dict[str, Any]:
    return {name: value for name, value in asdict(finding).items() if name != "is_problem"}
