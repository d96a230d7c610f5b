"""The exceptions wtalkit raises, each with the exit code the command line answers with.

    WtalkitError
    ├── InputError             1  a media or feature file given as input is missing, unreadable, partial or too short
    ├── TrainingDiverged       1  a loss became NaN or infinite; the last good checkpoint is kept
    ├── UsageError             2  a wrong option, configuration or dependency; nothing was started
    │   ├── ConfigError            wtalkit.toml, recipes, --set
    │   ├── FeaturesError          a features folder a command depends on
    │   ├── AnnotationsError       annotations, labels, ground truth
    │   ├── PredictionsError       a predictions file
    │   ├── ProposalsError         a proposals file
    │   └── ModelError             a model file, run or method name
    └── MachineError           3  device, weights, disk or an optional package is not to be had
        ├── DiskFull               no space left where something is to be written
        └── DeviceFull             no memory left on the device; of many videos it fails the one, exit code 1

A message is one sentence: the file, the cause, the remedy.
"""

from __future__ import annotations

from os import PathLike, fspath


class WtalkitError(Exception):
    """Base of every error meant for a user's eyes: which file, what is wrong, what to do.

    Args:
        cause: what is wrong, without a full stop.
        file: the file or folder concerned; printed in front.
        remedy: what to do about it, a sentence of its own.
    """

    exit_code = 1

    def __init__(self, cause: str, *, file: str | PathLike[str] | None = None, remedy: str | None = None) -> None:
        self.cause = cause
        self.file = None if file is None else fspath(file)
        self.remedy = remedy
        super().__init__(cause)

    def __str__(self) -> str:
        text = self.cause if self.file is None else f"{self.file}: {self.cause}"
        if self.remedy:
            text = f"{text}. {self.remedy}"
        return text if text.endswith((".", "!", "?")) else f"{text}."


class InputError(WtalkitError):
    """One input failed; the others go on."""

    exit_code = 1


class TrainingDiverged(WtalkitError):
    """A loss is no longer a finite number."""

    exit_code = 1


class UsageError(WtalkitError):
    """The command cannot be carried out as given; nothing was started."""

    exit_code = 2


class ConfigError(UsageError):
    """wtalkit.toml, a recipe or ``--set`` holds something unknown or of the wrong type."""


class FeaturesError(UsageError):
    """A features folder is missing, unreadable or of another spec than the model's."""


class AnnotationsError(UsageError):
    """Annotations, labels or ground truth cannot be used."""


class PredictionsError(UsageError):
    """A predictions file cannot be used."""


class ProposalsError(UsageError):
    """A proposals file cannot be used, or does not hold what is asked of it."""


class ModelError(UsageError):
    """A model file, run or method name cannot be used."""


class MachineError(WtalkitError):
    """The machine lacks something: a device, weights, disk space, an optional package."""

    exit_code = 3


class DiskFull(MachineError):
    """There is no space left where something is to be written."""


class DeviceFull(MachineError):
    """The device's memory does not suffice, however little is asked of it at a time."""
