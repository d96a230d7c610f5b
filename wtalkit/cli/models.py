"""``wtalkit models``: the models there are, what they say of themselves, whether they are whole; authors' weights;
published weights fetched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wtalkit.backbones.specs import BACKBONES
from wtalkit.cli.fetching import shown
from wtalkit.cli.options import Debug, Json, Offline, Quiet, Verbose
from wtalkit.cli.terminal import Terminal, count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wtalkit.modelfile import ModelHeader
    from wtalkit.zoo import Choice

app = typer.Typer(
    help="List, describe, verify, locate, pull and import models and weights.",
    no_args_is_help=False,
    rich_markup_mode=None,
)


@app.command("list")
def list_command(debug: Debug = False, quiet: Quiet = False, verbose: Verbose = False) -> int:
    """List bundled models, this folder's runs, weights in the cache, and models without training."""
    from wtalkit.integrity import WEIGHTS, weight_files
    from wtalkit.project import Project
    from wtalkit.runs import all_runs
    from wtalkit.zero_training import ZERO_TRAINING
    from wtalkit.zoo import bundled_models, cache_dir

    terminal = Terminal(quiet=quiet, verbose=verbose)
    rows = [(name, "model", "bundled", _megabytes(path)) for name, path in bundled_models().items()]
    project = Project.load()
    finished = [run for run in all_runs(project.runs) if run.finished]
    rows += [(run.name, "model", f"run in {project.settings.runs}/", _megabytes(run.model)) for run in finished]
    rows += [(name, "zero-training", f"weights of {found.backbone}", "") for name, found in ZERO_TRAINING.items()]
    for name in WEIGHTS:
        kind, there = "backbone" if name in BACKBONES else "flow", weight_files(name)
        rows.append((name, kind, _where(name, there), _megabytes(*there) if there else ""))
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
    """Show what a model says of itself, all its actions included."""
    from wtalkit.modelfile import read_header
    from wtalkit.project import Project
    from wtalkit.zoo import choose_model

    terminal = Terminal(quiet=quiet, verbose=verbose, json=json)
    choice = choose_model(name, Project.load())
    if choice.zero_training is not None:
        _show_zero_training(terminal, choice)
        return 0
    header = read_header(choice.path)
    if json:
        terminal.document(header.model_dump_json(indent=1))
        return 0
    for key, value in _facts(header, choice.path):
        terminal.write(f"{key:<11}  {value}")
    terminal.next_step(f"Next: wtalkit detect VIDEO --model {name}")
    return 0


@app.command("verify")
def verify_command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A model, backbone or flow. Default: all.", show_default=False)
    ] = None,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Compare models and weights with what was published, load them, and say which are whole."""
    from wtalkit.integrity import verify
    from wtalkit.project import Project

    terminal = Terminal(quiet=quiet, verbose=verbose)
    whole = broken = absent = 0
    for verdict in verify(name, Project.load()):
        if verdict.problem is None:
            whole += 1
            terminal.write(f"{verdict.name}: {verdict.note}")
        else:
            broken += not verdict.is_absent
            absent += verdict.is_absent
            terminal.fail(f"{verdict.name}: {verdict.problem}")
    total = whole + broken + absent
    bad = [f"{number} of {total} {what}" for number, what in ((broken, "broken"), (absent, "not there")) if number]
    summary = ", ".join(bad) or f"{count(whole, 'model')} verified"
    terminal.next_step(f"{summary}. Next: {'fetch it, or install it again' if bad else 'wtalkit detect VIDEO'}")
    return 2 if broken else 3 if absent else 0


@app.command("path")
def path_command(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE|RUN", help="A model, as for detect --model, a backbone or a flow.")
    ],
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Print where a model, or the weights of a backbone or flow, lie or are looked for; exit code 3 if they are not."""
    from wtalkit.integrity import location
    from wtalkit.project import Project

    terminal = Terminal(quiet=quiet, verbose=verbose)
    found = location(name, Project.load())
    terminal.write(str(found.path.absolute()))
    if not found.is_there:
        advice = "Install wtalkit again" if found.pull is None else f"Run wtalkit models pull {found.pull}"
        terminal.fail(f"{found.path}: not there, or not all of it. {advice}.")
    return 0 if found.is_there else 3


@app.command("pull")
def pull_command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Whose published weights to fetch: i3d, slow_r50, raft ...")
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Also where another file than the published one lies under the name.")
    ] = False,
    offline: Offline = False,
    debug: Debug = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Fetch published weights into the cache, verified; those of I3D go on where they were stopped."""
    from wtalkit.zoo import HUB_FILES, pull_weights

    terminal = Terminal(quiet=quiet, verbose=verbose)
    try:
        with shown(terminal) as progress:
            pulled = pull_weights(name, offline=offline, replace=force, progress=progress)
    except KeyboardInterrupt:
        kept = "what has come is kept, and the same command goes on from there"
        terminal.fail(f"stopped: {'the same command begins anew' if name in HUB_FILES else kept}.")
        return 130
    for each in pulled:
        known = "verified" if each.verified else "not verified (its publisher states no hash)"
        terminal.write(f"{each.path}: {'fetched' if each.fetched else 'already there'}, {known}")
    option = f"--backbone {name}" if name in BACKBONES else f"--flow {name}"
    terminal.next_step(f"Next: wtalkit extract VIDEOS --out feats {option}")
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


def _where(name: str, files: list[Path]) -> str:
    """Where the weights of a backbone or a flow are, or how to get them."""
    from wtalkit.zoo import HUB_FILES, PUBLIC_FILES

    if name in HUB_FILES:
        return "cache" if files else f"not here: wtalkit models pull {name}"
    if name not in PUBLIC_FILES:
        return "bundled" if files else "not here"
    lacking = [stream for stream in PUBLIC_FILES[name] if not any(file.name.startswith(stream) for file in files)]
    if not lacking:
        return "cache"
    what = f"cache, without {' and '.join(lacking)}" if files else "not here"
    return f"{what}: wtalkit models pull {name}"


def _show_zero_training(terminal: Terminal, choice: Choice) -> None:
    """What is known of a zero-training model before its weights are there."""
    import json

    from wtalkit.backbones.specs import get_spec
    from wtalkit.zero_training.settings import DISPLAY_THRESHOLD
    from wtalkit.zoo import kinetics_classes

    found = choice.zero_training
    assert found is not None
    spec, classes = get_spec(found.backbone), kinetics_classes()
    facts = {
        "name": choice.name,
        "backbone": found.backbone,
        "flow": found.flow,
        "classes": classes,
        "display_threshold": DISPLAY_THRESHOLD,
        "weights": str(choice.path),
    }
    if terminal.json:
        terminal.document(json.dumps(facts, indent=1))
        return
    made_by = found.backbone if found.flow == "none" else f"{found.backbone} + {found.flow}"
    for key, value in (
        ("model", f"{choice.name}: the classifier of {found.backbone}, nothing trained here"),
        ("features", f"{made_by}, {spec.window} frames every {spec.stride} at {spec.fps:g} fps"),
        ("actions", f"{len(classes)}: {', '.join(classes)}"),
        ("threshold", f"{DISPLAY_THRESHOLD:.3f} (fixed, not calibrated)"),
        ("weights", str(choice.path)),
    ):
        terminal.write(f"{key:<11}  {value}")
    terminal.next_step(f"Next: wtalkit detect VIDEO --model {choice.name}")


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
