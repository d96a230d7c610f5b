"""A score beside what papers print: which rows, what their methods had been told, and the table of both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wtalkit.datasets import DATASETS
from wtalkit.errors import ConfigError
from wtalkit.methods import METHODS
from wtalkit.proposals import Supervision, described
from wtalkit.published import Gain, Published, PublishedRow, load_published
from wtalkit.studies.groups import named_averages
from wtalkit.suggest import remedy

Row = dict[str, Any]
PAPER = "paper:"
_TOLD: dict[str, Supervision] = {"weak": "video-level", "points": "point-level"}
_WORDS = {"full": "segments", "weak_extra": "video-level labels and more", "unknown": "not known"}


def published_rows(name: str, dataset: str) -> list[Row]:
    """The rows of a paper (``paper:SEAL``: its tables, whole) or about a method (``CO2-Net``) for a data set.

    Capitals and hyphens do not matter. What a paper says a plug-in adds to a base counts as a row without mAP.

    Args:
        name: what to compare with.
        dataset: a built-in data set; its tables are taken.

    Returns:
        ``{"name", "method", "supervision", "proposals", "map", "averages", "gain", "document", "printed_as", "checked",
        "note"}`` each, fractions; ``supervision`` is ``video-level``, ``video-level+extra``, ``point-level`` or
        ``full``, the proposer's included.

    Raises:
        ConfigError: there is no such paper or method, or it prints nothing for this data set.
    """
    published = load_published()
    rows, gains = _about(published, name)
    title = DATASETS[dataset].title
    fitting = [_row(row, published) for row in rows if row.dataset == title]
    fitting += [_gain(gain, published) for gain in gains if gain.dataset == title]
    if fitting:
        return fitting
    others = sorted({row.dataset for row in rows} | {gain.dataset for gain in gains})
    raise ConfigError(f"{name} prints no figures for {title}", remedy=f"It does for {', '.join(others)}")


def beside(result: Mapping[str, Any], rows: Iterable[Row]) -> list[Row]:
    """The rows with the thresholds of a result, None where a paper prints none, and whether supervision is the same.

    ``same_supervision`` is None where it is not known of the result, or of a method's proposals.
    """
    told = result.get("model", {}).get("supervision")
    keys = list(result["map"])
    return [
        {
            **row,
            "map": {key: row["map"].get(key) for key in keys},
            "same_supervision": None
            if told in (None, "unknown") or row["proposals"] == "unknown"
            else row["supervision"] == told,
        }
        for row in rows
    ]


def cells(result: Mapping[str, Any], keys: Sequence[str] | None = None) -> tuple[list[str], list[list[str]], list[str]]:
    """Header, lines (this result first) and footnotes of a result with ``against``, in percent.

    Args:
        result: of :func:`wtalkit.evaluate`.
        keys: thresholds and averages shown; :func:`all_keys` when None.
    """
    shown = all_keys(result) if keys is None else list(keys)
    documents: dict[str, int] = {}
    notes: list[str] = []
    own = {**result["map"], **named_averages(result["map"])}
    lines = [["this result", _own_supervision(result), *_percent(own, shown), ""]]
    for row in result["against"]:
        document = f"{row['printed_as']}: {row['document']}"
        number = documents.setdefault(document, len(documents) + 1)
        figures = {**row["map"], **row["averages"]}
        lines.append([row["name"], _supervision(row), *_percent(figures, shown), f"[{number}]"])
        notes += [f"{row['name']}: {text}" for text in (_gained(row), row["note"]) if text]
    footnotes = [f"[{number}] {document}" for document, number in documents.items()] + list(dict.fromkeys(notes))
    if any(row["same_supervision"] is False for row in result["against"]):
        footnotes.append("≠ learnt from other labels than this result: no fair comparison")
    if any(row["same_supervision"] is None for row in result["against"]):
        footnotes.append("? compare only where both learnt from the same labels: of one of the two it is not known")
    return ["mAP in %", "learnt from", *shown, "printed in"], lines, footnotes


def all_keys(result: Mapping[str, Any]) -> list[str]:
    """Thresholds of a result, then the papers' averages that these allow."""
    return [*result["map"], *(key for key in named_averages(result["map"]) if key != "mean")]


def _about(published: Published, name: str) -> tuple[list[PublishedRow], list[Gain]]:
    wanted = _plain(name.removeprefix(PAPER))
    silent = {_plain(each): reason for each, reason in published.silent.items()}
    rows: list[PublishedRow]
    if name.startswith(PAPER):
        sources = {key for key, each in published.sources.items() if each.paper and _plain(each.paper) == wanted}
        rows = [row for row in published.rows if row.source in sources]
        gains = [gain for gain in published.gains if gain.source in sources]
    else:
        rows = [row for row in published.rows if wanted in (_plain(row.name), _plain(row.method or ""))]
        gains = [gain for gain in published.gains if _plain(gain.method) == wanted]
    if rows or gains:
        return rows, gains
    if wanted in silent:
        raise ConfigError(f"there are no figures of {name}: {silent[wanted]}")
    papers = {f"{PAPER}{each.paper}" for each in published.sources.values() if each.paper}
    raise ConfigError(
        f"there is nothing published by the name of {name!r}",
        remedy=remedy(name, papers if name.startswith(PAPER) else papers | {row.name for row in published.rows}),
    )


def _row(row: PublishedRow, published: Published) -> Row:
    entry = METHODS.get(row.method or "")
    proposals: Any = None
    if row.proposer is not None:
        told = _TOLD.get(row.proposal_supervision or "", "unknown")
        proposals = {"method": row.proposer, "supervision": told}
    elif entry is not None and entry.role == "proposals":
        proposals = "unknown"
    return {
        "name": row.name,
        "method": row.method,
        "supervision": {**_TOLD, "weak_extra": "video-level+extra", "full": "full"}[row.supervision],
        "proposals": proposals,
        "map": _fractions(row.map),
        "averages": _fractions(row.averages),
        "gain": None,
        **_printed(published, row.source),
        "checked": row.checked,
        "note": row.note,
    }


def _gain(gain: Gain, published: Published) -> Row:
    return {
        "name": f"{gain.method} on {gain.base}",
        "method": gain.method,
        "supervision": "video-level",
        "proposals": None,
        "map": {},
        "averages": {},
        "gain": {"over": gain.base, "threshold": gain.threshold, "points": round(gain.gain / 100, 6)},
        **_printed(published, gain.source),
        "checked": True,
        "note": gain.note,
    }


def _printed(published: Published, source: str) -> dict[str, str]:
    return {"document": published.sources[source].document, "printed_as": published.sources[source].printed_as}


def _fractions(percent: Mapping[str, float]) -> dict[str, float]:
    return {key: round(value / 100, 6) for key, value in percent.items()}


def _percent(figures: Mapping[str, float | None], keys: Sequence[str]) -> list[str]:
    values = (figures.get(key) for key in keys)
    return ["-" if value is None else f"{100 * value:.1f}" for value in values]


def _supervision(row: Row) -> str:
    kind, proposals = row["supervision"], row["proposals"]
    text = _WORDS["weak_extra"] if kind == "video-level+extra" else _WORDS.get(kind) or described(kind)
    if proposals == "unknown":
        text += ", proposals of a method not named"
    elif proposals is not None:
        text = f"proposals of {proposals['method']} ({described(proposals['supervision'])})"
    mark = {True: "", False: "≠ ", None: "? "}[row["same_supervision"]]
    return mark + text


def _own_supervision(result: Mapping[str, Any]) -> str:
    model = result.get("model", {})
    told: Supervision = model.get("supervision") or "unknown"
    text = _WORDS["unknown"] if told == "unknown" else described(told)
    proposer = model.get("proposer")
    maker = proposer.get("method") if isinstance(proposer, Mapping) else None
    return f"proposals of {maker} ({text})" if maker else text


def _gained(row: Row) -> str | None:
    gain = row["gain"]
    if gain is None:
        return None
    at = f" at {gain['threshold']}" if gain["threshold"] else ""
    return f"{100 * gain['points']:+.1f} points over {gain['over']}{at}"


def _plain(name: str) -> str:
    """Without what people write differently."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())
