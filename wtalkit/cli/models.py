"""``wtalkit models``: the models there are, what they say of themselves, whether they are whole; authors' weights;
published weights fetched."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.cli.options import Debug, Json, Offline, Quiet, Verbose
from wtalkit.cli.terminal import Terminal, count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID

    from wtalkit.download import Fetching
    from wtalkit.modelfile import ModelHeader

app = typer.Typer(
    help="List, describe, verify, pull and import models and weights.", no_args_is_help=False, rich_markup_mode=None
)


@app.command("list")
def list_command(debug: Debug = False, quiet: Quiet = False, verbose: Verbose = False) -> int:
    """List bundled models, this folder's runs, and weights in the cache."""
    from wtalkit.project import Project
    from wtalkit.runs import all_runs
    from wtalkit.zoo import bundled_models, cache_dir

    terminal = Terminal(quiet=quiet, verbose=verbose)
    rows = [(name, "model", "bundled", _megabytes(path)) for name, path in bundled_models().items()]
    project = Project.load()
    finished = [run for run in all_runs(project.runs) if run.finished]
    rows += [(run.name, "model", f"run in {project.settings.runs}/", _megabytes(run.model)) for run in finished]
    for name, files in _weights():
        rows.append((name, "backbone", _where(name, files), _megabytes(*files) if files else ""))
    terminal.table(("name", "kind", "where", "size"), rows, right=(3,))
    terminal.detail(f"cache: {cache_dir()}")
    terminal.next_step("Next: wtalkit models info NAME")
    return 0


@app.command("info")
def info_command(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE|RUN", help="A model, as for detect --model.")],
    json: Json = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Show what a model says of itself."""
    from wtalkit.modelfile import read_header
    from wtalkit.project import Project
    from wtalkit.zoo import choose_model

    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    choice = choose_model(name, Project.load())
    header = read_header(choice.path)
    if json:
        terminal.document(header.model_dump_json(indent=1))
        return 0
    for key, value in _facts(header, choice.path):
        terminal.write(f"{key:<11}  {value}")
    terminal.next_step(f"Next: wtalkit detect VIDEO --model {name}")
    return 0


@app.command("verify")
def verify_command(debug: Debug = False, quiet: Quiet = False, verbose: Verbose = False) -> int:
    """Load every bundled model and every weights file, and say which are whole."""
    from wtalkit.errors import WtalkitError
    from wtalkit.zoo import bundled_models

    terminal = Terminal(quiet=quiet, verbose=verbose)
    broken = 0
    checks: list[tuple[str, Callable[[], str]]] = []
    checks += [(name, partial(_verify_backbone, name, files)) for name, files in _weights() if files]
    checks += [(name, partial(_verify_model, path)) for name, path in bundled_models().items()]
    for name, check in checks:
        try:
            terminal.write(f"{name}: {check()}")
        except WtalkitError as error:
            terminal.fail(f"{name}: {error}")
            broken += 1
    summary = f"{count(broken, 'file')} broken" if broken else f"{count(len(checks), 'model')} verified"
    terminal.next_step(
        f"{summary}. Next: {'install or fetch what is broken again' if broken else 'wtalkit detect VIDEO'}"
    )
    return 3 if broken else 0


@app.command("pull")
def pull_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose published weights to fetch: i3d.")],
    force: Annotated[
        bool, typer.Option("--force", help="Also where another file than the published one lies under the name.")
    ] = False,
    offline: Offline = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Fetch published weights into the cache, verified; goes on where it was stopped."""
    from wtalkit.zoo import pull_weights

    terminal = Terminal(quiet=quiet, verbose=verbose)
    try:
        with _shown(terminal) as progress:
            pulled = pull_weights(name, offline=offline, replace=force, progress=progress)
    except KeyboardInterrupt:
        terminal.fail("stopped: what has come is kept, and the same command goes on from there.")
        return 130
    for each in pulled:
        terminal.write(f"{each.path}: {'fetched' if each.fetched else 'already there'}, verified")
    terminal.next_step(f"Next: wtalkit extract VIDEOS --out feats --backbone {name}")
    return 0


@app.command("import")
def import_command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An authors' checkpoint: .pt, .pth, .pkl, .safetensors.")
    ],
    method: Annotated[str, typer.Option(metavar="M", help="The method it belongs to, see wtalkit methods.")],
    classes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Class names, one per line, in the authors' order.", show_default=False),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="D", help="Class names of thumos14, activitynet1.2 or activitynet1.3.", show_default=False
        ),
    ] = None,
    spec: Annotated[str, typer.Option(metavar="PRESET", help="Features it was trained on.")] = "i3d-25fps-s16",
    threshold: Annotated[
        float | None,
        typer.Option(metavar="X", help="Least score that detect shows. Default: it shows all.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Default: METHOD-DATASET.safetensors, here.", show_default=False),
    ] = None,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Turn an authors' checkpoint into a model that detect and evaluate accept."""
    from wtalkit.modelfile import read_header
    from wtalkit.official import import_model

    terminal = Terminal(quiet=quiet, verbose=verbose)
    with terminal.status("reading"):
        made = import_model(file, method, classes=classes, dataset=dataset, spec=spec, threshold=threshold, out=out)
    header = read_header(made)
    terminal.write(f"model in {made}: {header.composition}, {count(len(header.classes), 'action')}")
    if threshold is None:
        terminal.remark("it has no display threshold: detect shows every segment unless --threshold X is given")
    needed = " --proposals FILE" if header.proposals is not None else ""
    terminal.next_step(f"Next: wtalkit evaluate --model {made} --assume-spec {spec}{needed}")
    return 0


def _weights() -> Iterator[tuple[str, list[Path]]]:
    """Each backbone and the weight files there are for it."""
    from wtalkit.backbones import BACKBONES
    from wtalkit.zoo import weights_folder

    for name in BACKBONES:
        folder = weights_folder(name)
        yield name, sorted(path for path in folder.glob("*") if path.suffix in (".pt", ".safetensors"))


def _where(name: str, files: list[Path]) -> str:
    """Where the weights of a backbone are, or how to get them."""
    from wtalkit.zoo import PUBLIC_FILES

    if name not in PUBLIC_FILES:
        return "bundled" if files else "not here"
    lacking = [stream for stream in PUBLIC_FILES[name] if not any(file.name.startswith(stream) for file in files)]
    if not lacking:
        return "cache"
    what = f"cache, without {' and '.join(lacking)}" if files else "not here"
    return f"{what}: wtalkit models pull {name}"


def _verify_backbone(name: str, files: list[Path]) -> str:
    from wtalkit.backbones import load_backbone
    from wtalkit.zoo import PUBLIC_FILES

    only_rgb = name in PUBLIC_FILES and all(file.name.startswith("rgb") for file in files)
    backbone = load_backbone(name, flow="none" if only_rgb else "tvl1", offline=True)
    return f"whole; {backbone.weights_note}{', rgb only' if only_rgb else ''}"


@contextmanager
def _shown(terminal: Terminal) -> Iterator[Callable[[Fetching], None]]:
    """Within it the files that are fetched have bars on a terminal, elsewhere lines."""
    from wtalkit.download import announce

    lines = announce(terminal.remark)
    if not terminal.live:
        yield lines
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from wtalkit.cli.terminal import stderr_console

    lines = announce(terminal.remark, every_s=float("inf"))
    bars = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(), console=stderr_console(), transient=True, redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip
    tasks: dict[Path, TaskID] = {}

    def tell(state: Fetching) -> None:
        lines(state)
        if state.path not in tasks:
            tasks[state.path] = bars.add_task(state.path.name, total=None)
        bars.update(tasks[state.path], completed=state.done_bytes, total=state.total_bytes)

    with bars:
        yield tell


def _verify_model(path: Path) -> str:
    from wtalkit.modelfile import load_model

    loaded = load_model(path)
    actions = count(len(loaded.header.classes), "action")
    return f"whole; {loaded.header.composition}, {actions}, sha256 {loaded.sha256[:16]}"


def _facts(header: ModelHeader, path: Path) -> Iterator[tuple[str, str]]:
    from wtalkit.features import FeatureSpec
    from wtalkit.proposals import described

    yield "file", str(path)
    yield "method", header.composition
    yield "learnt from", described(header.supervision)
    if header.proposals is not None:
        inside = "this file" if header.proposer is not None else "a file that --proposals names"
        yield "proposals", f"of {header.proposals}, from {inside}"
    yield "actions", f"{len(header.classes)}: {', '.join(header.classes)}"
    if header.feature_spec is not None:
        yield "features", str(FeatureSpec.from_dict(header.feature_spec))
    if header.display_threshold is not None:
        yield "threshold", f"{header.display_threshold:.3f} (what a person is shown scores at least this)"
    for key, value in header.provenance.items():
        yield str(key), str(value)


def _megabytes(*files: Path) -> str:
    return f"{sum(path.stat().st_size for path in files) / 1e6:.1f} MB"
