"""What a training run tells its reader: one line in place on a terminal, plain lines in a pipe."""

import contextlib
import math
import time
from typing import TextIO

from tinygpt.commands import has_colours


class Progress:
    """Shows a run on a stream (stderr): the current line, samples of text, notes."""

    def __init__(
        self, stream: TextIO, *, steps: int, first_step: int = 0, floor: float | None = None
    ) -> None:
        self._stream = stream
        self._in_place = has_colours(stream)
        self._steps, self._first, self._floor = steps, first_step, floor
        self._began = time.perf_counter()
        self._val_loss: float | None = None

    def report(
        self, step: int, loss: float, val_loss: float | None, tokens_per_second: float
    ) -> None:
        """Show where the run is; the last validation loss stays in view."""
        self._val_loss = val_loss if val_loss is not None else self._val_loss
        val = "" if self._val_loss is None else f"  val {self._val_loss:.4f}"
        if self._val_loss is not None and self._floor is not None:
            val += f" ({self._val_loss / self._floor - 1:.1%} above the floor)"
        line = (
            f"step {step}/{self._steps}  loss {loss:.4f}{val}  "
            f"{tokens_per_second:,.0f} tokens/s  ETA {self.eta(step)}"
        )
        self._write(f"\r\x1b[K{self._bar(step)} {line}" if self._in_place else line + "\n")

    def eta(self, step: int) -> str:
        """The time left, if the rest goes as this process has gone, evaluations included."""
        done = max(1, step - self._first)
        return duration((time.perf_counter() - self._began) / done * (self._steps - step))

    def _bar(self, step: int, width: int = 12) -> str:
        full = round(width * step / self._steps)
        return "█" * full + "░" * (width - full)

    def say(self, text: str) -> None:
        """A note or a sample on lines of its own, above the current line."""
        self._write(("\r\x1b[K" if self._in_place else "") + text + "\n")

    def close(self) -> None:
        """Leave the last line standing."""
        if self._in_place:
            self._write("\n")

    def _write(self, text: str) -> None:
        write_unless_closed(self._stream, text)


def write_unless_closed(stream: TextIO, text: str) -> None:
    """Nobody may be reading any more (`2>&1 | head`): no reason to lose a run."""
    with contextlib.suppress(OSError):
        stream.write(text)
        stream.flush()


def duration(seconds: float) -> str:
    """A length of time as people say it.

    >>> duration(42), duration(200), duration(7260)
    ('42 s', '3 min 20 s', '2 h 1 min')
    """
    if not math.isfinite(seconds):
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
