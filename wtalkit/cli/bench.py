"""``wtalkit bench``: measurements on this machine, one subcommand a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.cli.options import Debug, Device, DeviceName, Json, Quiet, Verbose
from wtalkit.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wtalkit.bench.training import Row

app = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True, rich_markup_mode=None)

Width = Annotated[
    int | None,
    typer.Option(min=8, metavar="N", help="Features of both streams. Default: 256 on a CPU, 2048 on a GPU."),
]
Repeats = Annotated[int, typer.Option(min=1, metavar="N", help="Pairs that are measured.")]
Threads = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Threads on the CPU; 1 on a machine that others use. Default: all."),
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the table in Markdown.")]
_CPU_WIDTH = 256
_GPU_WIDTH = 2048


@app.callback()
def stages() -> None:
    """Measure speed on this machine."""


@app.command("training")
def training_command(
    method: Annotated[
        list[str] | None, typer.Option(metavar="M", help="acrnet, co2net or delu; repeatable. Default: all three.")
    ] = None,
    width: Width = None,
    classes: Annotated[
        list[int] | None, typer.Option(min=2, metavar="N", help="Classes; repeatable. Default: 20.")
    ] = None,
    length: Annotated[
        int | None, typer.Option(min=2, metavar="T", help="Snippets. Default: the authors' for so many classes.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="Videos. Default: the authors' for so many classes.")
    ] = None,
    repeats: Repeats = 5,
    device: Device = DeviceName.auto,
    threads: Threads = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="V", help="bf16, compile, bf16+compile or none; repeatable. Default: none on a CPU, all on a GPU."
        ),
    ] = None,
    json: Json = False,
    markdown: Markdown = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Time training: vectorised losses against the same losses as loops.

    Both forms take turns. "losses" are the losses alone, forward and backward; "iteration" is a whole step.
    """
    import torch

    from wtalkit.answer import to_text
    from wtalkit.backbones.device import resolve_device
    from wtalkit.bench import machine, tables
    from wtalkit.bench.training import AUTHORS, VARIANTS, measure_training, size_for

    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    if threads is not None:
        torch.set_num_threads(threads)
    target = resolve_device(device.value)
    on_gpu = target.type == "cuda"
    chosen = tuple(variant) if variant else VARIANTS if on_gpu else ()
    variants = tuple(name for name in chosen if name != "none")
    facts = machine.describe(str(target))
    terminal.remark(machine.sentence(facts))

    def rows() -> Iterator[Row]:
        for name in method or AUTHORS:
            for count in classes or [20]:
                size = size_for(name, count, width or (_GPU_WIDTH if on_gpu else _CPU_WIDTH), length, batch)
                for row in measure_training(name, size, device=target, repeats=repeats, variants=variants):
                    terminal.remark(f"{name}, {count} classes, {row.part}: {row.fast} {row.ratio:.1f} x {row.slow}")
                    yield row

    found = list(rows())
    cells = [tables.training_cells(row) for row in found]
    if json:
        terminal.document(to_text({"schema": 1, "machine": facts, "rows": [row.to_dict() for row in found]}))
    elif markdown:
        terminal.document(tables.markdown(tables.TRAINING_HEADER, cells))
    else:
        terminal.table(tables.TRAINING_HEADER, cells, right=tables.NUMBERS, gap=2)
    return 0


@app.command("proposals")
def proposals_command(
    method: Annotated[
        list[str] | None, typer.Option(metavar="M", help="pmil or seal; repeatable. Default: both.")
    ] = None,
    width: Width = None,
    videos: Annotated[int, typer.Option(min=1, metavar="N", help="Videos that are scored together.")] = 100,
    proposals: Annotated[
        list[int] | None,
        typer.Option(min=1, metavar="N", help="Proposals of each video; repeatable. Default: 125 to 1000."),
    ] = None,
    snippets: Annotated[int, typer.Option(min=2, metavar="T", help="Snippets of each video.")] = 300,
    repeats: Repeats = 3,
    alone: Annotated[bool, typer.Option("--alone", help="Leave out the way P-MIL's code goes.")] = False,
    device: Device = DeviceName.auto,
    threads: Threads = None,
    json: Json = False,
    markdown: Markdown = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Time scoring proposals: all of all videos together, against one video at a time through torchvision.

    Time grows with the number of proposals; memory is that of one pass.
    """
    import torch

    from wtalkit.answer import to_text
    from wtalkit.backbones.device import resolve_device
    from wtalkit.bench import machine, tables
    from wtalkit.bench.proposals import COUNTS, Size, measure_proposals

    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    if threads is not None:
        torch.set_num_threads(threads)
    target = resolve_device(device.value)
    facts = machine.describe(str(target))
    terminal.remark(machine.sentence(facts))
    wide = width or (_GPU_WIDTH if target.type == "cuda" else _CPU_WIDTH)
    sizes = [Size(20, wide, videos, snippets, count) for count in proposals or COUNTS]
    found = []
    for name in method or ("pmil", "seal"):
        for row in measure_proposals(name, sizes, device=target, repeats=repeats, compared=not alone):
            terminal.remark(f"{name}, {row.size.proposals} proposals each: {row.per_second:,.0f} a second")
            found.append(row)
    cells = [tables.proposals_cells(row) for row in found]
    if json:
        terminal.document(to_text({"schema": 1, "machine": facts, "rows": [row.to_dict() for row in found]}))
    elif markdown:
        terminal.document(tables.markdown(tables.PROPOSALS_HEADER, cells))
    else:
        terminal.table(tables.PROPOSALS_HEADER, cells, right=tables.PROPOSALS_NUMBERS, gap=2)
    return 0
