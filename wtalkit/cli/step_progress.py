"""How far a training is, on stderr: a moving bar on a terminal, otherwise lines, or events for a program."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wtalkit.cli.terminal import Terminal, clock, stderr_console

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_EVENT_EVERY_S = 1.0
_SHORT_S = 5.0


class StepProgress:
    """Shows the steps of one training, how fast they go and how long the rest will take.

    Args:
        terminal: where to.
        title: what is trained.
        which: which of several trainings this is; put behind every title.
    """

    def __init__(self, terminal: Terminal, title: str, which: str = "") -> None:
        self.terminal, self._which = terminal, which
        self.title = f"{title}{which}"
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._tenth, self._told_s = -1, float("-inf")
        self._first: tuple[int, float] | None = None

    def __enter__(self) -> StepProgress:
        if self.terminal.live:
            self._bars = _bars()
            self._task = self._bars.add_task(self.title, total=None, facts="")
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def turn_to(self, title: str) -> None:
        """The training is of something else from here on: a proposer, then the method on its proposals."""
        self.title = f"{title}{self._which}"
        self._tenth, self._told_s, self._first = -1, float("-inf"), None
        if self._bars is not None and self._task is not None:
            self._bars.reset(self._task, description=self.title, total=None, facts="")

    def step(self, step: int, steps: int, losses: Mapping[str, float]) -> None:
        """The training is at ``step`` of ``steps``."""
        now_s = time.monotonic()
        if self._first is None or step < self._first[0]:
            self._first = (step, now_s)
        done, passed_s = step - self._first[0], now_s - self._first[1]
        rate = done / passed_s if done and passed_s > 0 else None  # of this process: a resumed training begins anew
        left_s = None if rate is None else (steps - step) / rate
        facts = [f"loss {losses['total']:.3f}"] if "total" in losses else []
        facts += [] if rate is None else [f"{rate:,.0f} steps/s" if rate >= 10 else f"{rate:.2f} steps/s"]
        facts += [] if left_s is None or left_s < _SHORT_S else [f"about {clock(left_s)} left"]
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=step, total=steps, facts=" · ".join(facts))
        elif self.terminal.log_json:
            if step == steps or now_s - self._told_s >= _EVENT_EVERY_S:
                self._told_s = now_s
                self.terminal.tell(
                    "step", title=self.title, step=step, steps=steps, steps_per_s=rate, left_s=left_s,
                    losses={name: float(value) for name, value in losses.items()},
                )  # fmt: skip
        elif step * 10 // steps > self._tenth:
            self._tenth = step * 10 // steps
            self.terminal.remark(f"{self.title}  step {step} of {steps}  {' · '.join(facts)}".rstrip())

    def say(self, sentence: str) -> None:
        """Something was decided."""
        self.terminal.remark(sentence)


def _bars() -> Bars:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description}", markup=False), BarColumn(bar_width=None), MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}", style="dim"), console=stderr_console(), transient=True,
        redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip
