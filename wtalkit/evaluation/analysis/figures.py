"""The plots of an analysis, each a function from it to a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtalkit.evaluation.analysis.curves import corners
from wtalkit.evaluation.analysis.drawing import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    RED,
    SKY,
    bar_labels,
    new_figure,
    percent_axis,
    shortened,
)
from wtalkit.evaluation.analysis.errors import ERRORS, Kind
from wtalkit.evaluation.analysis.recall import SHOWN
from wtalkit.evaluation.analysis.tables import span
from wtalkit.evaluation.thresholds import tiou_key

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wtalkit.evaluation.analysis.report import Analysis
    from wtalkit.evaluation.analysis.sensitivity import Bucket

MOST_CURVES = 30
"""Classes whose curves are drawn; of more, the best and the worst."""
_IN_A_COLUMN = 50
_NUMBERS = 10
"""Thresholds that have room for their number."""
_KINDS = {
    Kind.RIGHT: GREEN,
    Kind.DOUBLE: SKY,
    Kind.LABEL: PURPLE,
    Kind.LOCALIZATION: BLUE,
    Kind.CONFUSION: ORANGE,
    Kind.BACKGROUND: PALE,
}
_CHARACTERISTICS = {
    "length": ("length of the instance", BLUE),
    "coverage": ("share of its video", ORANGE),
    "instances": ("instances of its class in the video", GREEN),
}


def map_over_tiou(analysis: Analysis) -> Figure:
    """mAP at every threshold, with the interval over videos."""
    figure = new_figure(6.4, 4)
    axes = figure.subplots()
    at = [float(key) for key in analysis.map]
    values = [100 * value for value in analysis.map.values()]
    title = f"mAP over tIoU, mean {100 * analysis.average_map:.1f}"
    if len(at) == 1:
        title = f"mAP at tIoU {next(iter(analysis.map))}: {values[0]:.1f}"
    if analysis.interval is not None:
        low, high = ([100 * ends[key] for key in analysis.map] for ends in (analysis.low, analysis.high))
        quantiles = "{:g}-{:g} % of draws of the videos".format(*(100 * end for end in analysis.interval))
        title += f" [{100 * analysis.low['mean']:.1f}, {100 * analysis.high['mean']:.1f}]"
        if len(at) > 1:
            axes.fill_between(at, low, high, color=BLUE, alpha=0.2, linewidth=0, label=quantiles)
        else:
            axes.vlines(at, low, high, color=BLUE, alpha=0.3, linewidth=8, label=quantiles)
        figure.legend(loc="outside lower center")
    axes.plot(at, values, color=BLUE, marker="o", markersize=4)
    some = slice(None, None, -(-len(at) // _NUMBERS))
    for x, y in zip(at[some], values[some], strict=True):
        axes.annotate(f"{y:.1f}", (x, y), (7, 4), textcoords="offset points", fontsize=8)
    axes.set(title=title, xlabel="tIoU threshold", ylabel="mAP (%)")
    axes.set_xticks(at[some], list(analysis.map)[some])
    axes.set_xlim(min(at) - 0.05, max(at) + 0.06)
    percent_axis(axes, top=100)
    return figure


def ap_by_class(analysis: Analysis) -> Figure:
    """AP of every class, best first: the mean over the thresholds, and what the curves' threshold says."""
    classes = sorted(analysis.classes, key=lambda each: -each.mean)
    columns = -(-len(classes) // _IN_A_COLUMN)
    rows = -(-len(classes) // columns)
    figure = new_figure(1 + 5.4 * columns, 1.3 + 0.19 * max(rows, 4))
    grid = figure.subplots(1, columns, squeeze=False, sharex=True)
    key = tiou_key(analysis.curve_tiou)
    for number, axes in enumerate(grid[0]):
        some = classes[number * rows : (number + 1) * rows]
        places = range(len(some))
        axes.barh(places, [100 * each.mean for each in some], height=0.7, color=BLUE, label=_mean_of(analysis))
        if key in analysis.map and len(analysis.map) > 1:
            axes.plot(
                [100 * each.ap[key] for each in some], places, "D", color=ORANGE, markeredgecolor="white",
                markersize=5, label=f"at tIoU {key}", clip_on=False,
            )  # fmt: skip
        names = [f"{shortened(each.label, 32)} ({each.instances})" for each in some]
        axes.set_yticks(places, names, fontsize=8)
        axes.set_ylim(max(rows, 2) - 0.4, -0.6)
        axes.set_xlabel("average precision (%)")
        percent_axis(axes, axis="x")
    figure.suptitle(f"AP of {_number_of(analysis)} (number of instances)", x=0.01, ha="left")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def precision_recall(analysis: Analysis) -> Figure:
    """Envelope of precision over recall, a panel per class."""
    key = tiou_key(analysis.curve_tiou)
    classes, which = list(analysis.classes), _number_of(analysis)
    if len(classes) > MOST_CURVES:
        ordered = sorted(classes, key=lambda each: -each.curve_ap)
        half = MOST_CURVES // 2
        classes, which = [*ordered[:half], *ordered[-half:]], f"the {half} best and {half} worst of {which}"
    columns = min(len(classes), 5)
    rows = -(-len(classes) // columns)
    figure = new_figure(max(1.7 * columns, 4.5), 1.0 + 1.55 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, each in zip(grid.flat, classes, strict=False):
        at, precision = corners(each.precision)
        axes.fill_between(at, precision, color=BLUE, alpha=0.2, linewidth=0)
        axes.plot(at, precision, color=BLUE, linewidth=1.2)
        axes.set_title(shortened(each.label, 20), fontsize=8)
        axes.text(97, 96, f"{100 * each.curve_ap:.1f}", ha="right", va="top", fontsize=8)
        axes.set(xlim=(0, 100), ylim=(0, 104), xticks=(0, 50, 100), yticks=(0, 50, 100))
    for axes in grid.flat[len(classes) :]:
        axes.remove()
    for column in range(columns):  # the last panel of a column is not always in the last row
        lowest = grid[(len(classes) - 1 - column) // columns, column]
        lowest.tick_params(labelbottom=True)
    figure.supxlabel("recall (%)", fontsize=9)
    figure.supylabel("precision (%)", fontsize=9)
    title = f"Precision over recall at tIoU {key}, {which} (AP in %)"
    figure.suptitle(title if columns > 3 else title.replace(" (", "\n("), x=0.01, ha="left")
    return figure


def error_profile(analysis: Analysis) -> Figure:
    """Kinds of detection along the ranking."""
    from matplotlib.patches import Patch

    errors = analysis.errors
    figure = new_figure(8, 4.2)
    axes = figure.subplots()
    places, below = range(len(errors.shares)), [0.0] * len(errors.shares)
    for kind in Kind:
        shares = [100 * each[kind] for each in errors.shares]
        axes.bar(places, shares, bottom=below, width=0.85, color=_KINDS[kind])
        for place, (share, start) in enumerate(zip(shares, below, strict=True)):
            if share >= 6:
                dark = kind is Kind.LOCALIZATION
                axes.text(
                    place, start + share / 2, f"{share:.0f}", ha="center", va="center", fontsize=7.5,
                    color="white" if dark else INK,
                )  # fmt: skip
        below = [start + share for start, share in zip(below, shares, strict=True)]
    axes.set_xticks(places, [f"{place}-{place + 1} G\n{errors.counts[place]}" for place in places], fontsize=8)
    axes.set_title(f"What the detections are, along the ranking, at tIoU {_diagnosed(analysis)}")
    axes.set_xlabel("rank within the class, in multiples of its instances G; number of detections")
    axes.set_ylabel("share of the detections (%)")
    axes.set_xlim(-0.6, max(len(places), 1) - 0.4)
    percent_axis(axes)
    # Of bars that are not there, with no detections, a legend would not know the colours.
    figure.legend(
        handles=[Patch(color=_KINDS[kind], label=kind.title) for kind in reversed(Kind)], loc="outside right center"
    )
    return figure


def gains(analysis: Analysis) -> Figure:
    """What removing all errors of a kind would bring."""
    figure = new_figure(6.4, 3)
    axes = figure.subplots()
    values = [100 * analysis.errors.gains[kind] for kind in ERRORS]
    bars = axes.barh(range(len(ERRORS)), values, height=0.7, color=[_KINDS[kind] for kind in ERRORS])
    bar_labels(axes, bars, values, form="{:+.1f}")
    axes.set_yticks(range(len(ERRORS)), [kind.title for kind in ERRORS])
    axes.invert_yaxis()
    at = f"{100 * analysis.errors.map_n:.1f} % at tIoU {_diagnosed(analysis)}"
    axes.set_title(f"Gain without the errors of a kind; with them normalised mAP is\n{at}")
    axes.set_xlabel("gain in normalised mAP (points)")
    axes.set_xlim(min(0.0, 1.2 * min(values)), max(1.0, 1.2 * max(values)))
    axes.grid(visible=False, axis="y")
    return figure


def sensitivity(analysis: Analysis) -> Figure:
    """Normalised mAP by kind of instance."""
    title = f"Normalised mAP by kind of instance, at tIoU {_diagnosed(analysis)}"
    return _by_bucket(analysis, title, "normalised mAP (%)", "map_n")


def missed(analysis: Analysis) -> Figure:
    """Share of instances missed by kind."""
    title = f"Instances that nothing finds, at tIoU {_diagnosed(analysis)}"
    return _by_bucket(analysis, title, "missed (%)", "missed")


def recall(analysis: Analysis) -> Figure:
    """Average recall over the number of proposals."""
    figure = new_figure(6.4, 4)
    axes = figure.subplots()
    number = range(1, len(analysis.recall.given) + 1)
    curves = [(analysis.recall.given, span(list(analysis.map)), BLUE, "o", ((-3, 5), "right"))]
    if curves[0][1] != "0.50:0.95":
        curves.append((analysis.recall.activitynet, "0.50:0.95", RED, "s", ((3, -11), "left")))
    for values, label, colour, marker, (offset, side) in curves:
        shown = [100 * value for value in values]
        axes.plot(
            number, shown, color=colour, label=f"tIoU {label}", marker=marker, markersize=4,
            markevery=[place - 1 for place in SHOWN],
        )  # fmt: skip
        for place in SHOWN:
            at = (place, shown[place - 1])
            axes.annotate(f"{at[1]:.1f}", at, offset, textcoords="offset points", ha=side, fontsize=8)
    axes.set_title(f"Average recall ({analysis.recall.proposals:.0f} proposals per video on average)")
    axes.set(xscale="log", xlabel="proposals per video, best first", ylabel="average recall (%)", xlim=(0.7, 140))
    axes.set_xticks(SHOWN, [str(place) for place in SHOWN])
    axes.minorticks_off()
    percent_axis(axes, top=100 * max(analysis.recall.given + analysis.recall.activitynet))
    axes.set_ylim(bottom=-0.06 * axes.get_ylim()[1])  # room for a number below the lower curve
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _by_bucket(analysis: Analysis, title: str, label: str, value: str) -> Figure:
    found = analysis.sensitivity
    places_of = [max(len(buckets), 4) for buckets in found.buckets.values()]  # room for the title, too
    figure = new_figure(max(6.4, 1.5 + 0.72 * sum(places_of)), 4)
    grid = figure.subplots(1, len(places_of), squeeze=False, sharey=True, width_ratios=[n + 0.6 for n in places_of])
    everything = 100 * float(getattr(found, value))
    for axes, (name, buckets) in zip(grid[0], found.buckets.items(), strict=True):
        text, colour = _CHARACTERISTICS[name]
        values = [_percent(bucket, value) for bucket in buckets]
        places = range(len(buckets))
        bars = axes.bar(places, [each or 0.0 for each in values], width=0.8, color=colour)
        bar_labels(axes, bars, values)
        axes.axhline(everything, color=INK, linewidth=1, linestyle="--", zorder=0.5)
        axes.set_xticks(
            places, [f"{bucket.size}\n{bucket.range}\n{bucket.instances}" for bucket in buckets], fontsize=7.5
        )
        axes.set_title(text, fontsize=9)
        axes.set_xlim(-0.7, max(len(buckets), 4) - 0.3)
        tops = [_percent(bucket, value) or 0.0 for some in found.buckets.values() for bucket in some]
        percent_axis(axes, top=max([everything, *tops]))
    grid[0, 0].set_ylabel(label)
    figure.suptitle(f"{title}; dashed: all, {everything:.1f} %", x=0.01, ha="left")
    figure.supxlabel("bucket, its range, number of instances", fontsize=8)
    return figure


def _percent(bucket: Bucket, value: str) -> float | None:
    number: float | None = getattr(bucket, value)
    return None if number is None else 100 * number


def _number_of(analysis: Analysis) -> str:
    return "1 class" if len(analysis.classes) == 1 else f"{len(analysis.classes)} classes"


def _mean_of(analysis: Analysis) -> str:
    keys = list(analysis.map)
    return f"at tIoU {keys[0]}" if len(keys) == 1 else f"mean over tIoU {span(keys)}"


def _diagnosed(analysis: Analysis) -> str:
    return span([tiou_key(value) for value in analysis.diagnosed])
