"""``wtalkit bench``: measurements on this machine, of all stages or, by a subcommand, of one in detail."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.bench.stages import NETWORKS, STAGES
from wtalkit.cli.options import Debug, Device, DeviceName, Json, Quiet, Verbose
from wtalkit.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    import torch

    from wtalkit.bench.training import Row

log = logging.getLogger(__name__)

app = typer.Typer(help="Measure speed on this machine.", rich_markup_mode=None)

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


@app.callback(invoke_without_command=True)
def stages(
    context: typer.Context,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            metavar="S",
            help=f"{', '.join(STAGES)}, {' or '.join(NETWORKS)}; repeatable. "
            f"Default: all, on a CPU without {' and '.join(NETWORKS)}.",
        ),
    ] = None,
    repeats: Repeats = 3,
    device: Device = DeviceName.auto,
    threads: Threads = None,
    json: Json = False,
    markdown: Markdown = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Measure every stage on this machine: ours against what one would take instead, in turns.

    The subcommands measure one thing in detail.
    """
    if context.invoked_subcommand is not None:
        _require_no_options(context)
        return 0
    from wtalkit.bench import tables
    from wtalkit.bench.roofline import measure_limits
    from wtalkit.bench.stages import Case, measure_stage, stages_to_measure
    from wtalkit.errors import WtalkitError

    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    target, facts = _prepared(terminal, device, threads)
    names = stages_to_measure(stage or (), on_gpu=target.type == "cuda")
    limits = measure_limits(target)
    terminal.remark(tables.limit_sentence(limits))
    case = Case(target, repeats, limits, facts["threads"])
    found, code = [], 0
    for name in names:
        try:
            for row in measure_stage(name, case):
                terminal.remark(", ".join(filter(None, tables.stage_cells(row))))
                found.append(row)
        except Exception as error:  # the other stages can be measured all the same, and what was is worth having
            log.debug("%s", name, exc_info=True)
            terminal.warn(f"{name} was not measured: {error}")
            code = error.exit_code if isinstance(error, WtalkitError) else 3
    _show(
        terminal,
        {"machine": facts, "limits": limits, "rows": [row.to_dict() for row in found]},
        tables.STAGES_HEADER,
        [tables.stage_cells(row) for row in found],
        right=tables.STAGES_NUMBERS,
        markdown=markdown,
    )
    return code


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
    from wtalkit.bench import tables
    from wtalkit.bench.networks import CPU_WIDTH, GPU_WIDTH
    from wtalkit.bench.training import AUTHORS, VARIANTS, measure_training, size_for

    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    target, facts = _prepared(terminal, device, threads)
    on_gpu = target.type == "cuda"
    chosen = tuple(variant) if variant else VARIANTS if on_gpu else ()
    variants = tuple(name for name in chosen if name != "none")

    def rows() -> Iterator[Row]:
        for name in method or AUTHORS:
            for count in classes or [20]:
                size = size_for(name, count, width or (GPU_WIDTH if on_gpu else CPU_WIDTH), length, batch)
                for row in measure_training(name, size, device=target, repeats=repeats, variants=variants):
                    terminal.remark(f"{name}, {count} classes, {row.part}: {row.fast} {row.ratio:.1f} x {row.slow}")
                    yield row

    found = list(rows())
    _show(
        terminal,
        {"machine": facts, "rows": [row.to_dict() for row in found]},
        tables.TRAINING_HEADER,
        [tables.training_cells(row) for row in found],
        right=tables.NUMBERS,
        markdown=markdown,
    )
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
    from wtalkit.bench import tables
    from wtalkit.bench.networks import CPU_WIDTH, GPU_WIDTH
    from wtalkit.bench.proposals import COUNTS, Size, measure_proposals

    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    target, facts = _prepared(terminal, device, threads)
    wide = width or (GPU_WIDTH if target.type == "cuda" else CPU_WIDTH)
    sizes = [Size(20, wide, videos, snippets, count) for count in proposals or COUNTS]
    found = []
    for name in method or ("pmil", "seal"):
        for row in measure_proposals(name, sizes, device=target, repeats=repeats, compared=not alone):
            terminal.remark(f"{name}, {row.size.proposals} proposals each: {row.per_second:,.0f} a second")
            found.append(row)
    _show(
        terminal,
        {"machine": facts, "rows": [row.to_dict() for row in found]},
        tables.PROPOSALS_HEADER,
        [tables.proposals_cells(row) for row in found],
        right=tables.PROPOSALS_NUMBERS,
        markdown=markdown,
    )
    return 0


def _prepared(terminal: Terminal, device: DeviceName, threads: int | None) -> tuple[torch.device, dict[str, Any]]:
    """Where to compute, and the machine, which is told."""
    import torch

    from wtalkit.backbones.device import resolve_device
    from wtalkit.bench import machine

    if threads is not None:
        torch.set_num_threads(threads)
    target = resolve_device(device.value)
    facts = machine.describe(str(target))
    terminal.remark(machine.sentence(facts))
    return target, facts


def _show(
    terminal: Terminal,
    answer: dict[str, Any],
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    *,
    right: Sequence[int],
    markdown: bool,
) -> None:
    from wtalkit.answer import to_text
    from wtalkit.bench import tables

    if terminal.json:
        terminal.document(to_text({"schema": 1, **answer}))
    elif markdown:
        terminal.document(tables.markdown(header, cells))
    else:
        terminal.table(header, cells, right=right, gap=2)


def _require_no_options(context: typer.Context) -> None:
    """Options before a subcommand would be lost in silence."""
    from wtalkit.errors import UsageError

    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given:
        command = context.invoked_subcommand
        raise UsageError(
            f"the options of bench {command} stand behind it, and --{given[0]} stands before",
            remedy=f"Write wtalkit bench {command} --{given[0]} ...",
        )
