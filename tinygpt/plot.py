"""loss.png: the losses of a run's log.jsonl as a picture (needs matplotlib)."""

import json
from pathlib import Path
from typing import Any

from tinygpt.errors import BackendError


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
        if not all(_is_number(entry.get(name, "")) for name in ("loss", "val_loss")):
            break
        entries.append(entry)
    return entries


def _is_number(value: object) -> bool:
    """A number, or None where nothing was measured."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def plot_losses(log: str | Path, picture: str | Path) -> None:
    """Draw training and validation loss against the step.

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
    entries = read_log(log)
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
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per token)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(picture, dpi=120)
