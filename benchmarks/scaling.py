"""What tinygpt's work costs as it grows: in texts, in tokens, in layers and in width.

    python benchmarks/scaling.py [--rounds N] [--out FOLDER]

Doubles one of T, B, n_layer and n_embd at a time, the others kept, and times a training step and,
for T, the reading of a prompt; all sizes take turns, each one's best round counts. Saves
scaling.json and scaling.png (needs matplotlib) in benchmarks/results. The dashed lines are the
operations counted, through the largest size's time: linear in tokens but for attention's T squared.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from inputs import training_ids
from protocol import BATCHES
from shapes import Shape, training_flops

from tinygpt.config import ModelConfig
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT
from tinygpt.optim import AdamW
from tinygpt.parallel import TrainingStep
from tinygpt.params import decayed_count
from tinygpt.probe import gflops
from tinygpt.threads import keep_freed_memory

BASE = Shape(65, 128, n_layer=4, n_head=4, n_embd=256, B=8, T=128)
SIZES = {
    "T": (32, 64, 128, 256, 512, 1024),
    "B": (2, 4, 8, 16, 32),
    "n_layer": (1, 2, 4, 8, 16),
    "n_embd": (64, 128, 256, 512, 1024),
}


def grown(what: str, size: int) -> Shape:
    """The base with one number changed; heads keep their width, and the context is T."""
    shape = BASE._replace(**{what: size})
    head = BASE.n_embd // BASE.n_head
    return shape._replace(n_head=max(1, shape.n_embd // head), block_size=shape.T)


def training_step(shape: Shape, stack: ExitStack) -> Callable[[], object]:
    """The stack ends its threads, and gives BLAS its own back."""
    config = ModelConfig(**shape.config())
    model = GPT(config)
    optimizer = AdamW(len(model.flat), decayed_count(config))
    train = TrainingStep(model, optimizer, rows=shape.B)
    stack.callback(train.close)
    xs, ys = training_ids(shape)
    turn = 0

    def step() -> None:
        nonlocal turn
        train(xs[turn % BATCHES], ys[turn % BATCHES], lr=1e-3, step=turn)
        turn += 1

    return step


def prefill(shape: Shape) -> Callable[[], object]:
    model = GPT(ModelConfig(**shape.config()))
    kv = KVCache(model.config, shape.B)
    xs, _ = training_ids(shape)

    def read() -> None:
        kv.lengths[:] = 0
        model.forward(xs[0], kv=kv, last=1)

    return read


def take_turns(works: dict[Any, Callable[[], object]], rounds: int) -> dict[Any, float]:
    """The best seconds of each."""
    best = dict.fromkeys(works, float("inf"))
    for i in range(1 + rounds):
        for key, work in works.items():
            began = time.perf_counter()
            work()
            seconds = time.perf_counter() - began
            if i:  # the first turn warms up
                best[key] = min(best[key], seconds)
    return best


def measure(rounds: int) -> dict[str, dict[int, float]]:
    """Curve -> size -> milliseconds."""
    curves: dict[str, dict[int, float]] = {}
    for what, sizes in SIZES.items():
        with ExitStack() as stack:
            works = {n: training_step(grown(what, n), stack) for n in sizes}
            best = take_turns(works, rounds)
        curves[f"training step by {what}"] = {n: 1e3 * best[n] for n in sizes}
    best = take_turns({n: prefill(grown("T", n)) for n in SIZES["T"]}, rounds)
    curves["prefill by T"] = {n: 1e3 * best[n] for n in SIZES["T"]}
    return curves


def plot(curves: dict[str, dict[int, float]], path: Path) -> None:
    """Both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(1, len(curves), figsize=(3.4 * len(curves), 3.2))
    for axes, (title, costs) in zip(grid, curves.items(), strict=True):
        what = title.split()[-1]
        sizes, ms = list(costs), np.array(list(costs.values()))
        counted = np.array([training_flops(grown(what, n)) for n in sizes])
        axes.plot(sizes, ms, "o-", label="measured")
        axes.plot(sizes, ms[-1] * counted / counted[-1], "--", color="grey", label="operations")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set(title=title, xlabel=what, ylabel="ms")
        axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each size")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "results")
    args = parser.parse_args()
    keep_freed_memory()
    before = gflops()
    curves = measure(args.rounds)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "scaling.json").write_text(json.dumps(curves, indent=1) + "\n")
    plot(curves, args.out / "scaling.png")
    for title, costs in curves.items():
        line = ", ".join(f"{n}: {ms:.1f}" for n, ms in costs.items())
        sys.stdout.write(f"{title}, ms: {line}\n")
    sys.stdout.write(f"matrix products: {before:.0f} GFLOP/s before, {gflops():.0f} after\n")


if __name__ == "__main__":
    main()
