"""loss.png: the losses of a run's log.jsonl as a picture (needs matplotlib)."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygpt.errors import BackendError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """The entries of a log.jsonl, up to the first damaged line (cut short by a kill, say)."""
    entries = []
    for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not (isinstance(entry, dict) and isinstance(entry.get("step"), int)):
            break
        names = ("step", "loss", "val_loss")
        if not all(_is_number(entry.get(name, "")) for name in names):
            break
        entries.append(entry)
    return entries


def _is_number(value: object) -> bool:
    """A number that can be drawn, or None where nothing was measured."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return value is None
    return abs(value) < 1e9 or math.isnan(value)


def plot_losses(log: str | Path, picture: str | Path) -> None:
    """Draw a run's log.jsonl into a picture.

    Raises BackendError when matplotlib is not installed.
    """
    draw_losses(read_log(log)).savefig(picture, dpi=120)


def draw_losses(entries: Sequence[Mapping[str, Any]]) -> "Figure":
    """Training and validation loss against the step, and the floor where the log has one.

    Raises BackendError when matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BackendError(
            "no loss.png was drawn, because matplotlib is not installed; "
            "run: pip install 'tinygpt[plot]'"
        ) from error
    measured = [e for e in entries if e["val_loss"] is not None]
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(
        [e["step"] for e in entries],
        [e["loss"] for e in entries],
        color="#9ecae1",
        linewidth=1,
        label="training (one batch)",
    )
    axes.plot(
        [e["step"] for e in measured],
        [e["val_loss"] for e in measured],
        color="#d55e00",
        marker="o",
        markersize=4,
        label="validation (all held-out text)",
    )
    floor = measured[-1].get("floor") if measured else None
    if isinstance(floor, bool) or not isinstance(floor, int | float) or not 1e-6 < floor < 1e6:
        floor = None
    if floor is not None:
        axes.axhline(floor, color="black", linestyle="--", linewidth=1, label="floor")
        # equal distances are equal ratios: how far above the floor can be read from the first
        # step to the last
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
    if measured:
        best = min(measured, key=lambda e: e["val_loss"])
        title = f"validation loss {best['val_loss']:.4f} at step {best['step']}"
        if floor is not None:
            title += f", {best['val_loss'] / floor - 1:.1%} above that of a perfect model"
        axes.set_title(title, fontsize=11)
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per token)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="upper right")  # "best" is slow, and warns then
    return figure
