"""How a run is shown while it goes on: a bar with the numbers of now, or a plain line at times."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import Any, Self, TextIO

from ..files.outside import printable
from ..loop import Record
from ..step import Loss

# Columns that a bar takes besides the numbers; and its form, and theirs, where it has no room.
BESIDE = 54
NARROW, NARROWEST = "{percentage:3.0f}% {remaining}{postfix}", "{percentage:3.0f}%{postfix}"
PAUSE = 10.0  # seconds from one plain line to the next


def say(text: str, stream: TextIO | None = None) -> None:
    """Print to stdout, or to another stream; where nobody reads it the run goes on all the same.

    What the text quotes may come from a stranger's file: no terminal acts on it.
    """
    stream = stream or sys.stdout
    try:
        print("\n".join(map(printable, text.split("\n"))), file=stream, flush=True)
    except (OSError, ValueError):  # a pipe whose reader has left, a full disk, a closed stream
        silence(stream)


def silence(stream: TextIO) -> None:
    """Let what is written to a stream from now on go nowhere; what waits in it, too."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        pass  # it has no descriptor, or is closed


class Progress:
    """Shows both losses, D's mean outputs and the speed.

    On a terminal it is a bar, in a notebook a widget (tqdm.auto); where the output goes to a file
    or a pipe, which would keep every state of a bar, a plain line every `PAUSE` seconds.

    A number is read, which waits for the GPU, only when it is shown.

    Parameters
    ----------
    total
        Number of steps of the run.
    loss
        Says whether D's outputs are probabilities or a critic's.
    quiet
        Show nothing; what is said by `say` is still said.
    done
        Number of steps that were taken before, in a run that goes on.
    """

    def __init__(self, total: int, loss: Loss, quiet: bool = False, done: int = 0) -> None:
        self.total, self.quiet = total, quiet
        self.bar: Any = None
        self.judge = "critic" if loss.is_critic else "D"
        self.since, self.steps = time.monotonic(), done
        if not quiet and _can_move():
            from tqdm.auto import tqdm

            self.bar = tqdm(total=total, initial=done, unit="step")

    def show(self, record: Record) -> None:
        """Take note of a step; show it if it is time to."""
        if self.bar is not None:
            try:
                # True where the bar is drawn again: tqdm says when it is time to.
                if self.bar.update() or record.step in (1, self.total):
                    self.bar.set_postfix_str(self._fitting(record))
            except (OSError, ValueError):
                self._give_up()
        elif not self.quiet and time.monotonic() - self.since >= PAUSE:
            now = time.monotonic()
            speed = (record.step - self.steps) / (now - self.since)
            share = f"step {record.step:,} of {self.total:,}, {100 * record.step / self.total:.0f}%"
            say(f"{share}, {speed:.1f} steps/s, {self._numbers(record)}", sys.stderr)
            self.since, self.steps = now, record.step

    def say(self, text: str) -> None:
        """Print lines to stderr, above the bar if there is one."""
        if self.bar is None:
            say(text, sys.stderr)
            return
        try:
            self.bar.write(text, file=sys.stderr)
        except (OSError, ValueError):
            self._give_up()

    def _give_up(self) -> None:
        """Show nothing from here on: nobody can see it."""
        silence(sys.stderr)
        self.bar, self.quiet = None, True

    def _numbers(self, record: Record) -> str:
        return (
            f"loss D {record['loss_D']:.3f} G {record['loss_G']:.3f}, "
            f"{self.judge}(real) {record['D_real']:.2f} {self.judge}(fake) {record['D_fake']:.2f}"
        )

    def _fitting(self, record: Record) -> str:
        """Return the numbers such that none is cut, and give the bar the form that leaves room."""
        numbers = self._numbers(record)
        width = _columns()
        if not sys.stderr.isatty() or len(numbers) + BESIDE <= width:
            return numbers
        numbers = (
            f"loss D {record['loss_D']:.3g} G {record['loss_G']:.3g}, "
            f"{self.judge}(real) {record['D_real']:.3g} (fake) {record['D_fake']:.3g}"
        )
        self.bar.bar_format = NARROW if len(numbers) + 13 <= width else NARROWEST
        return numbers

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is."""
        if self.bar is not None:
            try:
                self.bar.close()
            except (OSError, ValueError):
                self._give_up()


def _columns() -> int:
    """Return the width of the terminal that stderr is; 80 where it does not say."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return shutil.get_terminal_size().columns


def _can_move() -> bool:
    """Return whether what is shown can change: on a terminal, or as a widget in a notebook."""
    if sys.stderr.isatty():
        return True
    # In a notebook without ipywidgets tqdm.auto gives the bar for terminals.
    from tqdm.auto import tqdm
    from tqdm.notebook import tqdm_notebook

    return issubclass(tqdm, tqdm_notebook)
