"""How plots look, and how they become files: the same numbers give the same bytes."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wtalkit.atomic import atomic_path
from wtalkit.errors import MachineError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "png")
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"
"""Colours that colour-blind people tell apart (Okabe and Ito, "Color Universal Design", 2008)."""
INK, PALE = "#333333", "#bbbbbb"

_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.titlesize": 11,
    "font.size": 9,
    "grid.color": "#e5e5e5",
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "wtalkit",  # else the names of an SVG's parts are drawn at random
    "text.color": INK,
    "text.parse_math": False,  # a class may be called $1
    "xtick.color": INK,
    "ytick.color": INK,
}
_DPI = 150
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Microsoft YaHei",
    "Hiragino Sans",
    "WenQuanYi Zen Hei",
)
"""The font that comes with matplotlib, and for letters it lacks those of the usual systems."""


def require_matplotlib() -> None:
    """Make sure that there is something to draw with.

    Raises:
        MachineError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MachineError("plots need the package matplotlib", remedy="pip install 'wtalkit[plots]'") from error


@contextmanager
def style() -> Iterator[None]:
    """Our own look, whatever the user's settings of matplotlib are; those are as before afterwards.

    Raises:
        MachineError: matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(cast(Any, _STYLE))
        matplotlib.rcParams["font.family"] = [name for name in _FONTS if name in installed]
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # it is drawn as a box
        yield


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many inches, known to nobody but the caller (pyplot keeps its own open)."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def percent_axis(axes: Axes, *, axis: str = "y", top: float | None = None) -> None:
    """An axis from 0 to 100 %, or to ``top`` with room for a number above it."""
    end = 100.0 if top is None else max(1.0, 1.12 * top)
    limit, ticks = (axes.set_ylim, axes.yaxis) if axis == "y" else (axes.set_xlim, axes.xaxis)
    limit(0, end)
    ticks.set_ticks([tick for tick in ticks.get_majorticklocs() if 0 <= tick <= min(100, end)])
    axes.grid(visible=False, axis="x" if axis == "y" else "y")


def bar_labels(axes: Axes, bars: Any, values: Sequence[float | None], *, form: str = "{:.1f}") -> None:
    """The number at the end of each bar; nothing where there is none."""
    texts = ["" if value is None else form.format(value) for value in values]
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # no line runs through a number
    for label in axes.bar_label(bars, texts, padding=3, fontsize=8):
        if label.get_text():
            label.set_bbox(paper)


def shortened(text: str, most: int) -> str:
    """``text``, or its beginning with an ellipsis; halves of characters, which cannot be drawn, as their escapes."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= most else f"{text[: most - 1]}…"


def save(name: str, draw: Callable[[], Figure], folder: Path) -> list[Path]:
    """Draw, and write as SVG and PNG.

    Raises:
        MachineError: matplotlib is not installed, or the folder cannot be written to.
    """
    paths = []
    with style():
        figure = draw()
        for form in FORMATS:
            written = io.BytesIO()
            metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
            figure.savefig(written, format=form, dpi=_DPI, metadata=metadata)
            figure.set_layout_engine("none")  # it is laid out; the next format need not do it again
            path = folder / f"{name}.{form}"
            with atomic_path(path) as temporary:
                temporary.write_bytes(_without_comments(written.getvalue()) if form == "svg" else written.getvalue())
            paths.append(path)
    return paths


def _without_comments(svg: bytes) -> bytes:
    """Without the comments that tell letters and axes apart: they hold the texts as they are, which may end one."""
    return re.sub(rb"<!--.*?-->\n?\s*", b"", svg, flags=re.DOTALL)
