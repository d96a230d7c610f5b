"""The ``wtalkit`` command: its subcommands, and the border where errors become one sentence and an exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import typer

from wtalkit import __version__
from wtalkit.cli import (
    bench,
    check,
    compare,
    completion,
    demo,
    detect,
    doctor,
    evaluate,
    export,
    extract,
    import_,
    methods,
    models,
    report,
    train,
)
from wtalkit.cli.annotations import app as annotations_app
from wtalkit.errors import WtalkitError

INTERRUPTED = 130
TERMINATED = 143
_LOG_JSON = "--log-json"

app = typer.Typer(
    name="wtalkit",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help appears three times as fast
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="In a folder with videos/ and annotations.json, extract, train, detect and evaluate find what they need.",
)
app.command("extract")(extract.command)
app.command("train")(train.command)
app.command("detect")(detect.command)
app.command("evaluate")(evaluate.command)
app.command("compare")(compare.command)
app.command("report")(report.command)
app.command("export")(export.command)
app.command("import")(import_.command)
app.command("check")(check.command)
app.command("demo")(demo.command)
app.command("methods")(methods.command)
app.add_typer(models.app, name="models")
app.add_typer(annotations_app, name="annotations")
app.command("doctor")(doctor.command)
app.command("completion")(completion.command)
app.add_typer(bench.app, name="bench")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Find when actions happen in videos, learnt from labels that only say what happens."""
    if version:
        typer.echo(f"wtalkit {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _prepare_streams()
    code = _run(given)
    if _LOG_JSON in given:
        from wtalkit.cli.terminal import log_line

        print(log_line("info", "finished", exit_code=code), file=sys.stderr)
    return code


def _run(given: list[str]) -> int:
    debug = "--debug" in given
    say = partial(_say, given=given)
    asked: list[int] = []
    try:
        with warnings.catch_warnings(), _remarks_of_the_library(given), _stopping_in_order(asked):
            if not debug and not sys.warnoptions:
                warnings.simplefilter("ignore")  # libraries' remarks to programmers
            code = typer.main.get_command(app).main(given, prog_name="wtalkit", standalone_mode=False)
            sys.stdout.flush()
        return TERMINATED if signal.SIGTERM in asked else int(code or 0)
    except KeyboardInterrupt:
        say("stopped")
        return TERMINATED if signal.SIGTERM in asked else INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe (head, less) has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        if asked:  # readers of foreign files, safetensors for one, turn an interruption into an error of their own
            say("stopped")
            return TERMINATED if signal.SIGTERM in asked else INTERRUPTED
        text, code = _explain(error)
        say(text)
        return code


@contextmanager
def _stopping_in_order(asked: list[int]) -> Iterator[None]:
    """Within it SIGTERM, which batch systems and containers send before they kill, stops a command as Ctrl-C does.

    Args:
        asked: takes the numbers of the signals that came.
    """

    def stop(number: int, _: object) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = {
        number: signal.signal(number, stop)
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN  # as for what a shell started with & and nohup
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _ToTerminal(logging.Handler):
    """Above the bars, if there are any, and without what would move the cursor; as events where those are wanted."""

    def __init__(self, log_json: bool) -> None:
        super().__init__()
        self._log_json = log_json

    def emit(self, record: logging.LogRecord) -> None:
        from wtalkit.cli.terminal import Terminal

        text = record.getMessage()
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
        terminal = Terminal(log_json=self._log_json)
        say = terminal.warn if self._log_json and record.levelno >= logging.WARNING else terminal.remark
        for line in [text] if self._log_json else text.splitlines():
            say(line)


@contextmanager
def _remarks_of_the_library(given: Sequence[str]) -> Iterator[None]:
    """What the package logs goes to stderr: warnings always, the rest with ``--verbose`` and ``--debug``."""
    logger = logging.getLogger("wtalkit")
    handler = _ToTerminal(_LOG_JSON in given)
    verbose = {"--verbose", "-v"} & set(given)
    before = logger.level
    logger.setLevel(logging.DEBUG if "--debug" in given else logging.INFO if verbose else logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _explain(error: Exception) -> tuple[str, int]:
    """The sentence for an error and the exit code that goes with it."""
    if isinstance(error, WtalkitError):
        return str(error), error.exit_code
    if isinstance(error, typer.TyperException):
        return _usage(error), error.exit_code
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed. Install wtalkit with all it needs, see wtalkit doctor.", 3
    if isinstance(error, MemoryError):
        return "out of memory. Close other programs, or use fewer --workers where there are.", 3
    text = f"this is a defect of wtalkit: {type(error).__name__}: {error}"
    return f"{text}. The same command with --debug shows where.", 1


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "wtalkit"
    possible = getattr(error, "possibilities", None)
    text = f"{error.message.rstrip('.')}. Did you mean {possible[0]}?" if possible else error.format_message()
    text = text.replace("Value error, ", "").rstrip(".")
    stop = "" if text.endswith("?") else "."
    return f"{command}: {text[:1].lower()}{text[1:]}{stop} See {command} --help."


def _prepare_streams() -> None:
    """File names may hold what a terminal's encoding cannot show; show it escaped."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _say(text: str, given: Sequence[str]) -> None:
    from wtalkit.cli.terminal import log_line, printable

    if _LOG_JSON in given:
        print(log_line("error", "error", text), file=sys.stderr)
        return
    # An error may list its problems, one indented line each; within a line nothing may move the cursor.
    lines = text.split("\n  ")
    print("\n  ".join(printable(line) for line in lines), file=sys.stderr)
