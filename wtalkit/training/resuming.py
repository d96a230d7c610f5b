"""Which run a training goes on with, and whether what is asked for now is what it was started with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from wtalkit import runs
from wtalkit.errors import ConfigError, FeaturesError, UsageError
from wtalkit.proposals import Proposer
from wtalkit.runs import Run
from wtalkit.training.plan import Plan

PROPOSALS_MARK = "+"
"""Between the digests of the training data and of the proposals, in the resume state of a second stage."""


def run_to_go_on_with(
    resume: bool | str | os.PathLike[str],
    out: Path,
    parts: Sequence[str],
    without: Sequence[str],
    proposals: Proposer | None = None,
) -> Run | None:
    """The run that ``resume`` means, None for a new one; of a method on proposals one on those of this maker.

    Raises:
        UsageError: there is none, or it is one of other parts.
    """
    if isinstance(resume, bool):
        return _unfinished(out, parts, without, proposals) if resume else None
    named = Run(Path(resume))
    run = named if named.config.is_file() else runs.resolve(resume)
    if run is None or not run.config.is_file():
        raise UsageError("is not the folder of a run", file=resume)
    kept = Plan.read(run.config)
    if (kept.parts, sorted(kept.without)) != (tuple(parts), sorted(without)):
        raise UsageError(f"is a run of {' + '.join(kept.parts)}, or one without other parts", file=run.folder)
    if not kept.has_maker(proposals):
        raise ConfigError(
            f"was started with proposals of {kept.proposals and kept.proposals.name}, "
            f"not of {proposals and proposals.name}",
            file=run.folder,
            remedy="Name the same --base, --proposer or --proposals",
        )
    return run


def members_of(out: Path, study: str | None) -> dict[Run, Plan]:
    """The runs of a study with what was asked of them: whatever joins them has their settings and data."""
    plans = {run: Plan.read(run.config) for run in runs.all_runs(out) if run.config.is_file()} if study else {}
    return {run: kept for run, kept in plans.items() if kept.study == study}


def require_same_data(members: Iterable[Run], digest: str) -> None:
    """A study's trainings see the same videos, labels, lengths and kind of features.

    Raises:
        FeaturesError: a member has seen others.
    """
    for member in members:
        if _data_of(member) not in (None, digest):
            raise FeaturesError(
                "was trained on other features or labels, so this training cannot join its study",
                file=member.folder,
                remedy="Start a new study without --resume",
            )


def _data_of(run: Run) -> str | None:
    """Digest of a run's training data; None where the run holds nothing yet."""
    from wtalkit.modelfile import read_header
    from wtalkit.training.checkpoint import read_digest

    if run.finished:
        return read_header(run.model).provenance.get("data_digest")
    # A second stage's state also names its proposals, which differ with the seed of their proposer.
    return read_digest(run.checkpoint).partition(PROPOSALS_MARK)[0] if run.checkpoint.is_file() else None


def _unfinished(out: Path, parts: Sequence[str], without: Sequence[str], proposals: Proposer | None) -> Run:
    """The newest unfinished run of a composition.

    Raises:
        UsageError: there is none.
    """
    others = []
    for run in reversed(runs.all_runs(out)):
        if runs.is_done(run):
            continue
        kept = Plan.read(run.config)
        if (kept.parts, sorted(kept.without)) == (tuple(parts), sorted(without)) and kept.has_maker(proposals):
            return run
        others.append(run.name)
    of_others = f" (unfinished, but of other parts or proposals: {', '.join(others)})" if others else ""
    on = "" if proposals is None else f" on proposals of {proposals.name}"
    raise UsageError(
        f"there is no unfinished run of {' + '.join(parts)}{on} to resume{of_others}",
        file=out,
        remedy="Start one without --resume",
    )


def kept_plan(run: Run, asked: Plan, seed: int | None) -> Plan:
    """The plan a run was started with; what was asked for now must agree with it.

    Raises:
        ConfigError: a setting, the subset or the seed is another.
    """
    kept = Plan.read(run.config)
    changed = kept.changed_settings(asked)
    if seed is not None and seed != kept.seed:
        changed.append("seed")
    require_unchanged(run, changed)
    return replace(kept, device=asked.device)


def require_unchanged(run: Run, changed: Sequence[str]) -> None:
    if changed:
        raise ConfigError(
            f"was started with other values of {', '.join(changed)}",
            file=run.folder,
            remedy="A run keeps its settings; start a new one without --resume",
        )
