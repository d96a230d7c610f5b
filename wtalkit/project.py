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
    """What happens in them: a file or a folder per class. Without it ``annotations.json``, else ``labels.csv``, else
    the videos' own folders."""
    dataset: str | None = None
    """Instead of annotations: a data set that the package knows, such as ``thumos14``."""
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
            settings = Settings.model_validate(document)
        except ValidationError as error:
            raise _config_error(error, document, file) from error
        if settings.annotations is not None and settings.dataset is not None:
            raise ConfigError("annotations and dataset exclude each other", file=file, remedy="Keep one of them")
        return cls(Path(folder), settings, file)

    @property
    def videos(self) -> Path:
        return self.folder / self.settings.videos

    @property
    def annotations(self) -> Path:
        """The annotations named in the settings, else ``annotations.json``, ``labels.csv``, or the videos' own folders.

        The first of these that is there; ``annotations.json`` if none is.

        Raises:
            ConfigError: the settings name a data set that the package does not know.
        """
        if self.settings.dataset is not None:
            from wtalkit.datasets import dataset

            return dataset(self.settings.dataset).path
        if self.settings.annotations is not None:
            return self.folder / self.settings.annotations
        usual, table = self.folder / "annotations.json", self.folder / "labels.csv"
        if usual.exists() or table.is_file():
            return usual if usual.exists() else table
        from wtalkit.annotations.class_folders import has_class_folders

        return self.videos if has_class_folders(self.videos) else usual

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
