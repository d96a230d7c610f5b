"""The packages that wtalkit needs or can use: whether they are there, fit, and do not stand in each other's way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import NamedTuple

from wtalkit.diagnosis.finding import Finding

PURPOSES = {
    "bench": "bench of the evaluator against pandas",
    "export": "export --format otio, edl, fcpxml",
    "hdf5": "import of HDF5 packs",
    "notebook": "Detections.to_pandas()",
    "plots": "evaluate --plots",
    "ray": "--engine ray",
}
"""What the optional sets of packages are for; those of developers are left out."""
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
"""All of them are the same package cv2: who installs two has files of both."""

_REQUIREMENT = re.compile(r"([\w.-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;()]*)\)?\s*(?:;(.*))?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w-]+)['\"]")
_CLAUSE = re.compile(r"(>=|<=|==|!=|~=|<|>)\s*([\w.*+!-]+)")


class Requirement(NamedTuple):
    """A package, the versions that will do, and the optional set that it belongs to."""

    name: str
    versions: str
    extra: str | None


def look_at_packages() -> Iterator[Finding]:
    """Everything about installed packages, nothing of it imported."""
    needed = [each for each in requirements("wtalkit") if each.extra is None]
    for each in needed:
        yield _needed(each)
    yield from _pairs()
    yield from _opencv()
    yield from _extras()


def requirements(package: str) -> list[Requirement]:
    """What an installed package asks for; nothing where it is not installed."""
    try:
        lines = requires(package) or []
    except PackageNotFoundError:
        return []
    found = []
    for line in lines:
        if (match := _REQUIREMENT.fullmatch(line.strip())) is not None:
            extra = _EXTRA.search(match[3] or "")
            if match[3] is None or extra is not None:  # of other conditions only installers know whether they hold
                found.append(Requirement(match[1], match[2].strip(), extra[1] if extra else None))
    return found


def installed(name: str) -> str | None:
    """The version of an installed package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def satisfies(found: str, wanted: str) -> bool:
    """Whether a version is among ``wanted``, as in ``>=2.10,<3``; only the numbers of both count."""
    for operator, text in _CLAUSE.findall(wanted):
        has, limit = _numbers(found), _numbers(text)
        if text.endswith(".*") or operator == "==":
            same = has[: len(limit)] == limit
            fits = same if operator == "==" else not same
        elif operator == "~=":
            fits = has >= limit and has[: len(limit) - 1] == limit[:-1]
        else:
            fits = {
                ">=": has >= limit, "<=": has <= limit, "<": has < limit, ">": has > limit, "!=": has != limit,
            }[operator]  # fmt: skip
        if not fits:
            return False
    return True


def _numbers(text: str) -> tuple[int, ...]:
    release = re.match(r"\d+(?:\.\d+)*", text)
    numbers = [] if release is None else [int(part) for part in release[0].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _needed(each: Requirement) -> Finding:
    found = installed(each.name)
    how = f"Install it with: pip install '{each.name}{each.versions}'"
    if found is None:
        if each.name == OPENCV[-1] and any(installed(other) for other in OPENCV[:-1]):
            return Finding(
                "packages", each.name, "missing", "another OpenCV package is in its place", how, breaks=False
            )
        return Finding("packages", each.name, "missing", "is not installed", how)
    if not satisfies(found, each.versions):
        return Finding("packages", each.name, found, f"wtalkit needs {each.versions}", how)
    return Finding("packages", each.name, found)


def _pairs() -> Iterator[Finding]:
    """torch and torchvision are compiled for each other."""
    torch, vision = installed("torch"), installed("torchvision")
    if torch is None or vision is None:
        return
    both, remedy = f"torch {torch}, torchvision {vision}", "Install both anew, from one place"
    wanted = next((each.versions for each in requirements("torchvision") if each.name == "torch"), "")
    builds = {_build(text) for text in (torch, vision)} - {None}
    if not satisfies(torch, wanted):
        yield Finding("builds", "torch pair", both, f"this torchvision needs torch {wanted}", remedy)
    elif len(builds) > 1:
        yield Finding("builds", "torch pair", both, "they are built for different devices", remedy)
    else:
        yield Finding("builds", "torch pair", both)


def _build(text: str) -> str | None:
    """The device in a version such as ``2.10.0+cu128``."""
    return text.partition("+")[2] or None


def _opencv() -> Iterator[Finding]:
    there = [name for name in OPENCV if installed(name)]
    if len(there) > 1:
        yield Finding(
            "builds",
            "cv2",
            " and ".join(there),
            "two OpenCV packages are installed at once and overwrite each other's files",
            f"Run pip uninstall {' '.join(there)}, then pip install {OPENCV[-1]}",
        )


def _extras() -> Iterator[Finding]:
    sets: dict[str, list[Requirement]] = {}
    for each in requirements("wtalkit"):
        if each.extra in PURPOSES:
            sets.setdefault(each.extra, []).append(each)
    for name, purpose in PURPOSES.items():
        versions = {each.name: installed(each.name) for each in sets.get(name, ())}
        missing = [package for package, found in versions.items() if found is None]
        if not versions:
            continue
        if missing:
            text = f"not installed: pip install 'wtalkit[{name}]' ({purpose})"
        else:
            text = f"{', '.join(f'{package} {found}' for package, found in versions.items())} ({purpose})"
        yield Finding("extras", name, text)
