"""What each technique of the training step gives: the step with all of them, and without one.

    python benchmarks/techniques.py [--shapes a,b,c] [--rounds N] [--out FOLDER]
    python benchmarks/techniques.py --contender SHAPE TECHNIQUE

The first races them in pairs, a process each, in turns, and saves techniques.json and
techniques.md in benchmarks/results. The second is one contender, which speaks as step.py does.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import step
from race import ROOT, Contender, positive, race, stoppable
from shapes import TRAINING

import tinygpt.ops.attention
import tinygpt.ops.linear
from tinygpt import backend, optim, parallel
from tinygpt.backend import Array, deliver
from tinygpt.threads import WorkerPool

RATIOS = {"time": "best", "memory": "rss"}
NEVER = 1 << 62  # numbers: larger than any array


def _without_kept_memory() -> None:
    step.keep_freed_memory = lambda: False


class _Alone(WorkerPool):
    """Does every item itself, with the threads that BLAS has of its own."""

    def map(self, function: Any, items: Any) -> list[Any]:
        return [function(item) for item in items]


def _without_threads() -> None:
    """BLAS splits the products, and everything else runs on one core."""
    parallel.outweighs_the_model = lambda rows, config: False
    parallel.WorkerPool = _Alone


def _without_tiles() -> None:
    tinygpt.ops.attention.TILE = NEVER


def _without_blocks() -> None:
    backend.CACHED = NEVER


def _without_pieces() -> None:
    optim.PIECE = NEVER


def _without_homes() -> None:
    def fresh(a: Array, b: Array, home: Array | None, accumulate: bool) -> Array:
        return deliver(a @ b, home, accumulate)

    tinygpt.ops.linear.matmul_into = fresh


def _with_powers() -> None:
    """GELU as one would first write it."""

    def gelu(x: Array) -> tuple[Array, tuple[Array]]:
        t = np.tanh(0.7978845608 * (x + 0.044715 * x**3))
        slope = 0.7978845608 * (1.0 + 3 * 0.044715 * x**2)
        return 0.5 * x * (1.0 + t), (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t**2) * slope,)

    tinygpt.transformer.gelu_forward = gelu


TECHNIQUES: dict[str, Callable[[], None]] = {
    "freed memory is kept": _without_kept_memory,
    "rows, or only AdamW, are shared among threads": _without_threads,
    "attention in tiles": _without_tiles,
    "GELU and cross-entropy in blocks": _without_blocks,
    "AdamW in pieces": _without_pieces,
    "weight gradients written home": _without_homes,
    "GELU written for speed, not with x**3": _with_powers,
}


def acts(technique: str, shape: str) -> bool:
    """Does it change anything? A text of one tile has nothing to skip."""
    return technique != "attention in tiles" or TRAINING[shape].T > tinygpt.ops.attention.TILE


def ratios(shape: str, technique: str, rounds: int) -> dict[str, float]:
    """Time and memory of the step without a technique, over the step with all."""
    contenders = [
        Contender(name, [sys.executable, __file__, "--contender", shape, name])
        for name in ("all", technique)
    ]
    steps = 8 if TRAINING[shape].n_embd < 256 else 2
    ran = race(contenders, rounds=rounds, steps=steps)["contenders"]
    return {what: ran[technique][key] / ran["all"][key] for what, key in RATIOS.items()}


def table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """Markdown: a row for each technique, a column for each shape."""
    lines = [f"| without | {' | '.join(f'({s}) time, memory' for s in found)} |"]
    lines.append("|---|" + "---:|" * len(found))
    for name in TECHNIQUES:
        cells = (
            " · ".join(f"{ratio:.2f}" for ratio in techniques.get(name, {}).values()) or "–"
            for techniques in found.values()
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", default="a,b,c")
    parser.add_argument("--rounds", type=positive, default=5, help="turns of each contender")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--contender", nargs=2, metavar=("SHAPE", "TECHNIQUE"))
    args = parser.parse_args()
    if args.contender:
        shape, technique = args.contender
        if technique != "all":
            TECHNIQUES[technique]()
        sys.argv = ["step.py", shape]
        step.main()
        return
    if not set(args.shapes.split(",")) <= set(TRAINING):
        parser.error("--shapes takes some of a,b,c, with commas between them")
    found = {
        shape: {name: ratios(shape, name, args.rounds) for name in TECHNIQUES if acts(name, shape)}
        for shape in args.shapes.split(",")
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "techniques.json").write_text(json.dumps(found, indent=1) + "\n")
    (args.out / "techniques.md").write_text(table(found), encoding="utf-8")
    sys.stdout.write(table(found))


if __name__ == "__main__":
    stoppable(main)
