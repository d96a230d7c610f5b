"""``wtalkit.toml``: the folder's own defaults. Without one, the names below hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from wtalkit.documents import read_toml
from wtalkit.errors import ConfigError
from wtalkit.suggest import remedy

FILE_NAME = "wtalkit.toml"


class Settings(BaseModel):
    """The keys of ``wtalkit.toml``; paths are relative to the folder it lies in."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    videos: str = "videos"
    """Folder of the videos."""
    annotations: str | None = None
    """What happens in them: a file or a folder per class. Without it ``annotations.json``, else ``labels.csv``."""
    features: str = "feats"
    """Folder that ``extract`` fills and ``train`` and ``evaluate`` read."""
    runs: str = "runs"
    """Folder of the trainings."""
    train_subset: str | None = None
    """Subset to train on; without it the first of ``training``, ``train`` that there is."""
    test_subset: str | None = None
    """Subset to evaluate on; without it the first of ``testing``, ``test``, ``validation`` that there is."""
    backbone: str | None = None
    """Network that turns frames into features."""
    flow: str | None = None
    """Optical flow algorithm."""
    model: str | None = None
    """Model to detect with when nothing was trained here yet: a bundled name, a file or a run."""


class Project:
    """A folder of videos and what belongs to them.

    Attributes:
        folder: where relative paths of the settings start.
        settings: the keys of its ``wtalkit.toml``, defaults where it says nothing.
        file: the ``wtalkit.toml`` read, None if the folder has none.
    """

    def __init__(self, folder: Path, settings: Settings, file: Path | None) -> None:
        self.folder = folder
        self.settings = settings
        self.file = file

    @classmethod
    def load(cls, folder: str | Path = ".") -> Project:
        """Read the folder's ``wtalkit.toml``, if it has one.

        Raises:
            ConfigError: it is not TOML, or holds an unknown key or a value of the wrong type.
        """
        file = Path(folder) / FILE_NAME
        if not file.exists():
            return cls(Path(folder), Settings(), None)
        document = read_toml(file, error=ConfigError)
        try:
            return cls(Path(folder), Settings.model_validate(document), file)
        except ValidationError as error:
            raise _config_error(error, document, file) from error

    @property
    def videos(self) -> Path:
        return self.folder / self.settings.videos

    @property
    def annotations(self) -> Path:
        """The annotations named in the settings, else ``annotations.json``, or ``labels.csv`` if only that is there."""
        if self.settings.annotations is not None:
            return self.folder / self.settings.annotations
        usual, table = self.folder / "annotations.json", self.folder / "labels.csv"
        return table if table.is_file() and not usual.exists() else usual

    @property
    def features(self) -> Path:
        return self.folder / self.settings.features

    @property
    def runs(self) -> Path:
        return self.folder / self.settings.runs


def _config_error(error: ValidationError, document: dict[str, Any], file: Path) -> ConfigError:
    problems, hints = [], []
    for each in error.errors(include_url=False):
        key = str(each["loc"][0])
        if each["type"] == "extra_forbidden":
            problems.append(f"unknown key {key!r}")
            hints.append(remedy(key, Settings.model_fields))
        else:
            problems.append(f"{key} must be text, got {document[key]!r}")
    return ConfigError("; ".join(problems), file=file, remedy=hints[0] if hints else None)
