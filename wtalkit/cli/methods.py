"""``wtalkit methods``: what can be trained, what its paper reports, what was measured here."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.cli.options import Debug, Json, Quiet, Verbose
from wtalkit.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wtalkit.catalogue import Card, MeasuredRow
    from wtalkit.published import PublishedRow

ROLES = {"base": "base", "plugin": "plug-in", "proposals": "on proposals"}
PUBLISHED = {"THUMOS14": "T14", "ActivityNet 1.2": "A1.2", "ActivityNet 1.3": "A1.3"}
LEGEND = (
    "T14, A1.2, A1.3: published mAP in %, mean over tIoU 0.1:0.7 on THUMOS14 and 0.5:0.95 on ActivityNet; "
    "* recalled, not checked; + learnt from points, its proposer included. T14 and measured figures of methods on "
    "proposals are of proposals of co2net (video-level labels); for A1.3 their papers name no proposer."
)
_GAP = 2
_PROSE = 100
"""Columns beyond which sentences are hard to read."""
_DROPPED_FIRST = ("what", "train with", "paper", "params")
_AVERAGES = ("0.1:0.7", "0.5:0.95")


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="METHOD", help="Everything about this one.", show_default=False)
    ] = None,
    json: Json = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """List the methods: paper, published and measured figures, how to train them."""
    from wtalkit.catalogue import card, catalogue

    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    if name is not None:
        found = card(name)
        if json:
            terminal.document(_document(found.to_dict()))
        else:
            _show_card(terminal, found)
        return 0
    cards = catalogue()
    if json:
        terminal.document(_document({"methods": [each.to_dict() for each in cards.values()]}))
        return 0
    _show_list(terminal, cards)
    return 0


def _document(value: Mapping[str, object]) -> str:
    from json import dumps

    return dumps(value, ensure_ascii=False, indent=1)


def _show_list(terminal: Terminal, cards: Mapping[str, Card]) -> None:
    datasets = list(dict.fromkeys(row.dataset for card in cards.values() for row in card.measured))
    rows = [_listed(card, datasets) for card in cards.values()]
    rows.sort(key=lambda row: row["train with"] == "")
    header = _fitting(rows)
    table = [[row[key] for key in header] for row in rows]
    right = [index for index, key in enumerate(header) if key not in ("method", "role", *_DROPPED_FIRST[:3])]
    terminal.table(header, table, right=right, gap=_GAP)
    terminal.write()
    absent = [card.name for card in cards.values() if not card.entry.available]
    told = [
        LEGEND,
        *(f"{_short(name)}: mAP in % measured here on {name}; plug-ins on their usual base." for name in datasets),
        *(f"{card.name}: {card.silent}." for card in cards.values() if card.silent is not None),
        *[f"Not in this version: {', '.join(absent)}."] * bool(absent),
        *["Train: wtalkit train --method METHOD"] * ("train with" not in header),
    ]
    for text in told:
        for line in _wrapped(text, min(_room(), _PROSE)):
            terminal.write(line)
    train = "wtalkit train --method METHOD; " * ("train with" in header)
    terminal.next_step(f"Next: {train}wtalkit methods METHOD says all about one")


def _listed(card: Card, datasets: Sequence[str]) -> dict[str, str]:
    """A line of the list, by column."""
    described = card.described
    measured = {name: card.headline_measured(name) for name in datasets}
    return {
        "method": card.name,
        "role": ROLES[card.entry.role],
        "paper": card.paper.venue if card.paper is not None else "",
        "params": "" if described is None else f"{_plus(card)}{described.parameters / 1e6:.2f} M",
        **{short: _average(card.headline(dataset)) for dataset, short in PUBLISHED.items()},
        **{_short(name): _measured_average(row) for name, row in measured.items()},
        "train with": card.command or "",
        "what": card.entry.title,
    }


def _fitting(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """As many columns as the terminal has room for."""
    room = _room()
    header = list(rows[0])
    for dropped in (None, *_DROPPED_FIRST):
        header = [key for key in header if key != dropped]
        widths = [max(len(key), *(len(row[key]) for row in rows)) for key in header]
        if sum(widths) + _GAP * (len(widths) - 1) <= room:
            break
    return header


def _show_card(terminal: Terminal, card: Card) -> None:
    facts = list(_facts(card))
    width = max(len(key) for key, _ in facts)
    room = _room()
    for key, value in facts:
        for index, line in enumerate(_wrapped(value, room - width - _GAP)):
            terminal.write(f"{key if index == 0 else '':<{width}}  {line}")
    _show_published(terminal, card)
    _show_measured(terminal, card)
    description = card.description
    if description is not None and description.options:
        terminal.write()
        rows = [(option.name, _default(option.default), option.meaning) for option in description.options]
        terminal.table((f"--set {card.name}.", "default", "meaning"), rows, gap=_GAP)
    terminal.next_step(f"Next: {card.command or 'wtalkit methods'}")


def _facts(card: Card) -> Iterator[tuple[str, str]]:
    on = {"plugin": ", on ", "proposals": " of "}.get(card.entry.role)
    usual = "" if on is None else f"{on}{card.entry.default_base} unless --base says otherwise"
    role = ROLES[card.entry.role] + usual
    yield "method", f"{card.name}, {role}"
    yield "what", card.entry.title
    if card.paper is not None:
        yield "paper", card.paper.citation
        yield "code", card.paper.repository or "none by the authors is public"
        if card.paper.note:
            yield "note", card.paper.note
    description = card.description
    if description is not None:
        yield "params", f"{_plus(card)}{description.parameters:,} (20 classes, features 2048 wide)"
        yield "parts", f"--without {', '.join(description.components)}"
    yield "recipes", ", ".join(card.recipes) or "none"
    yield "train", card.command or "not in this version"


def _show_published(terminal: Terminal, card: Card) -> None:
    """One table per data set, the sources below."""
    numbers: dict[str, int] = {}
    notes: list[str] = []
    rows = [*card.published, *card.ablations]
    for dataset in dict.fromkeys(row.dataset for row in rows if row.map or row.averages):
        terminal.write()
        _show_figures(terminal, dataset, [
            (f"{_label(row)} [{numbers.setdefault(row.source, len(numbers) + 1)}]", row.map, row.averages)
            for row in rows if row.dataset == dataset and (row.map or row.averages)
        ])  # fmt: skip
    notes += [f"{row.dataset}, {_label(row)}: {row.note}" for row in card.published if row.note]
    for row in card.ablations:
        if row.value is not None:
            on = f" on {row.base}" if row.base else ""
            notes.append(f"{row.dataset}{on}, {_label(row)}: {row.value}. {row.note or ''}")
    for gain in card.gains:
        where = f" at {gain.threshold}" if gain.threshold else ""
        notes.append(f"{gain.dataset}, on {gain.base}: {gain.gain:+} points{where}, says the paper")
    if card.silent is not None:
        notes.append(f"published figures: {card.silent}")
    if numbers or notes:
        terminal.write()
    for source, number in numbers.items():
        terminal.write(f"[{number}] {card.sources[source].printed_as}: {card.sources[source].document}")
    for note in notes:
        terminal.write(note)


def _show_measured(terminal: Terminal, card: Card) -> None:
    """One table per data set and way of scoring; settings that all rows share below it, others as footnotes."""
    from wtalkit.proposals import described

    for dataset, protocol in dict.fromkeys((row.dataset, row.protocol) for row in card.measured):
        rows = [row for row in card.measured if (row.dataset, row.protocol) == (dataset, protocol)]
        shared = {key: value for key, value in rows[0].settings.items() if all(_has(row, key, value) for row in rows)}
        footnotes: dict[str, int] = {}
        lines: list[tuple[str, Mapping[str, float], Mapping[str, float]]] = []
        for row in rows:
            own = _assignments({key: value for key, value in row.settings.items() if key not in shared})
            mark = f" [{footnotes.setdefault(own, len(footnotes) + 1)}]" if own else ""
            parts = " + ".join((row.base, *row.plugins)) + f" w/o {','.join(row.without)}" * bool(row.without)
            if row.proposer is not None:
                parts += f" on {row.proposer}"
            elif row.supervision == "point-level":
                parts += f" ({described(row.supervision)})"
            lines.append((f"{parts} x{len(row.seeds)}{mark}", *_of(row, "mean")))
            if len(row.seeds) > 1:
                lines.append(("  ±", *_of(row, "std")))
        terminal.write()
        terminal.write(f"Measured here: {dataset}, scored in {protocol}, mAP in %; xN: N seeds")
        _show_figures(terminal, "", lines)
        for own, number in footnotes.items():
            terminal.write(f"[{number}] {own}")
        recipes = sorted({row.recipe for row in rows if row.recipe})
        told = [f"recipe {', '.join(recipes)}"] * bool(recipes) + [_assignments(shared)] * bool(shared)
        told += sorted({text for row in rows for text in (row.note, row.machine) if text})
        if told:
            terminal.write("; ".join(told))


def _has(row: MeasuredRow, key: str, value: object) -> bool:
    return key in row.settings and row.settings[key] == value


def _assignments(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={_default(value)}" for key, value in settings.items())


def _of(row: MeasuredRow, which: str) -> tuple[dict[str, float], dict[str, float]]:
    def percent(figures: Mapping[str, object]) -> dict[str, float]:
        values = {key: getattr(figure, which) for key, figure in figures.items()}
        return {key: 100 * value for key, value in values.items() if value is not None}

    return percent(row.map), percent(row.averages)


def _show_figures(
    terminal: Terminal, title: str, rows: Sequence[tuple[str, Mapping[str, float], Mapping[str, float]]]
) -> None:
    keys = sorted({key for _, scores, _ in rows for key in scores})
    averages = list(dict.fromkeys(key for _, _, found in rows for key in found))
    table = [
        (label, *(f"{scores[key]:.1f}" if key in scores else "" for key in keys),
         *(f"{found[key]:.1f}" if key in found else "" for key in averages))
        for label, scores, found in rows
    ]  # fmt: skip
    header = (title, *keys, *averages)
    terminal.table(header, table, right=range(1, len(header)), gap=1)


def _label(row: PublishedRow) -> str:
    from wtalkit.methods import METHODS
    from wtalkit.proposals import described

    part = f"w/o {','.join(row.without)}" if row.without else "whole"
    of = f" on {row.proposer}'s" if row.proposer else ""
    entry = METHODS.get(row.method or "")
    if entry is not None and entry.role == "proposals" and not row.proposer:
        of = " (proposer not stated)"
    elif row.proposer or row.supervision == "points":
        of += f" ({described('point-level' if row.supervision == 'points' else 'video-level')})"
    return f"{part}{of}{'*' * (not row.checked)}"


def _average(row: PublishedRow | None) -> str:
    if row is None:
        return ""
    value = next((row.averages[key] for key in _AVERAGES if key in row.averages), None)
    marks = "*" * (not row.checked) + "+" * (row.supervision == "points")
    return "" if value is None else f"{value:.1f}{marks}"


def _short(dataset: str) -> str:
    """A data set's first word, for the head of a column."""
    return dataset.split()[0]


def _measured_average(row: MeasuredRow | None) -> str:
    if row is None:
        return ""
    value = next((row.averages[key].mean for key in _AVERAGES if key in row.averages), None)
    return "" if value is None else f"{100 * value:.1f}{'+' * (row.supervision == 'point-level')}"


def _plus(card: Card) -> str:
    return "+" if _is_plugin(card) else ""


def _is_plugin(card: Card) -> bool:
    return card.entry.role == "plugin"


def _default(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _room() -> int:
    """Columns of the terminal; without one, as many as anything needs."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000


def _wrapped(text: str, width: int) -> list[str]:
    from textwrap import wrap

    return wrap(text, max(width, 20)) or [""]
