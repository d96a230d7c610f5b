"""Which finished runs the RUNs of a command mean: a run, a study, or a folder of runs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from wtalkit import runs
from wtalkit.errors import ModelError
from wtalkit.project import Project
from wtalkit.runs import Run
from wtalkit.suggest import remedy
from wtalkit.training.seeds import all_studies


def find_runs(given: Iterable[str], project: Project) -> tuple[list[Run], list[str]]:
    """The runs meant, each once, and a note on every one that a study or a folder holds but that is not finished.

    Args:
        given: folders of runs, names of runs or studies below the project's runs, ``latest``, folders full of runs.
        project: whose runs may be called by name.

    Raises:
        ModelError: there is nothing of a name, a run named outright is not finished, or a folder holds no finished one.
    """
    found: dict[Path, Run] = {}
    unfinished: dict[Path, str] = {}
    for name in given:
        members, several = _meant(name, project)
        for run in members:
            if run.finished:
                found.setdefault(run.folder.resolve(), run)
            elif several:
                unfinished[run.folder.resolve()] = f"{run.folder} is not finished and left out"
            else:
                raise _unfinished(run)
        if not any(run.finished for run in members):
            raise _unfinished(members[0])
    return list(found.values()), list(unfinished.values())


def _meant(name: str, project: Project) -> tuple[list[Run], bool]:
    """The runs of one name, and whether it stands for several."""
    with suppress(OSError):  # no file can have such a name
        if (found := _looked_up(name, project)) is not None:
            return found
    known = [run.name for run in runs.all_runs(project.runs)]
    valid = [*known, *all_studies(project.runs), runs.LATEST] if known else []
    raise ModelError(f"no run, study, folder of runs or predictions file is named {name!r}", remedy=remedy(name, valid))


def _looked_up(name: str, project: Project) -> tuple[list[Run], bool] | None:
    for path in (Path(name), project.runs / name):
        if Run(path).config.is_file():
            return [Run(path)], False
        run = runs.resolve(path)
        if run is not None:
            return [run], False
    if inside := runs.all_runs(name):
        return inside, True
    for folder, study in ((project.runs, name), (Path(name).parent, Path(name).name)):
        members = all_studies(folder).get(study) if folder.is_dir() else None
        if members is not None:
            return list(members.members.values()), True
    return None


def _unfinished(run: Run) -> ModelError:
    return ModelError("this run has no model yet", file=run.folder, remedy="Finish it with wtalkit train --resume")
