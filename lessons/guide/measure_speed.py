"""Measures what lesson 13 draws, and writes speed.json beside this file: two minutes at most.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python lessons/guide/measure_speed.py [--out FILE]

Nothing else should run on the machine. All contenders of a group take turns, and of each the best
round counts. The model has GPT-2's shape, 124 million weights, drawn at random: a time does not
depend on what a weight is. `--small` does the same with a tiny model, to try the script.
"""

import argparse
import datetime
import json
import math
import platform
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_info

from tinygpt.backend import Array
from tinygpt.config import ModelConfig
from tinygpt.flops import flops_per_token, forward_flops
from tinygpt.int8 import quantised, with_workers
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT
from tinygpt.ops import softmax_forward
from tinygpt.optim import AdamW
from tinygpt.panels import in_panels
from tinygpt.parallel import TrainingStep
from tinygpt.params import decayed_count
from tinygpt.probe import bandwidth, gflops
from tinygpt.threads import blas_threads, default_workers, keep_freed_memory

HOME = Path(__file__).resolve().parent / "speed.json"
GPT2 = ModelConfig(vocab_size=50257, block_size=1024, n_layer=12, n_head=12, n_embd=768)
TINY = ModelConfig(vocab_size=65, block_size=64, n_layer=4, n_head=4, n_embd=128)
TRY = ModelConfig(vocab_size=65, block_size=64, n_layer=2, n_head=2, n_embd=16)
CORES = default_workers()


class Work(NamedTuple):
    """What to time, and how many threads BLAS has meanwhile."""

    run: Callable[[], object]
    blas: int = CORES


def take_turns(works: dict[str, Work], rounds: int) -> dict[str, float]:
    """The best milliseconds of each. A turn is a tenth of a second, or one time if that is longer;
    a turn before the first warms up."""
    best = dict.fromkeys(works, math.inf)
    for i in range(1 + rounds):
        for name, work in works.items():
            with blas_threads(work.blas):
                end = time.perf_counter() + 0.1
                while (began := time.perf_counter()) < end:
                    work.run()
                    ms = 1e3 * (time.perf_counter() - began)
                    best[name] = min(best[name], ms if i else math.inf)
    return {name: round(ms, 4 if ms < 1 else 2) for name, ms in best.items()}


def random_ids(model: GPT, rows: int, tokens: int) -> Array:
    return np.random.default_rng(0).integers(0, model.config.vocab_size, (rows, tokens))


def next_token(model: GPT, length: int, texts: int = 1) -> Callable[[], object]:
    """The logits after `length` tokens, of which all but the last are in the cache."""
    kv, ids = KVCache(model.config, texts), random_ids(model, texts, 1)

    def say() -> None:
        kv.lengths[:] = length - 1
        model.forward(ids, kv=kv, last=1)

    return say


def read(model: GPT, length: int) -> Callable[[], object]:
    """The logits after `length` tokens, all of them read: a prompt, or a token without a cache."""
    ids = random_ids(model, 1, length)
    return lambda: model.forward(ids, last=1, keep=False)


def training(model: GPT, rows: int, tokens: int, workers: int, stack: ExitStack) -> Work:
    """A step at learning rate 0, the same arithmetic; one worker leaves BLAS its threads."""
    optimizer = AdamW(len(model.flat), decayed_count(model.config))
    step = TrainingStep(model, optimizer, rows=rows, workers=workers)
    stack.callback(step.close)
    ids = random_ids(model, rows, tokens + 1)
    return Work(lambda: step(ids[:, :-1], ids[:, 1:], lr=0.0, step=0), CORES // workers or 1)


def lengths(model: GPT) -> dict[str, object]:
    """Milliseconds for one more token, by the length of the text, without and with a cache."""
    most = model.config.block_size
    sizes = [most // 16 * n for n in (1, 2, 4, 6, 8, 12, 16)]
    works = {f"plain {n}": Work(read(model, n)) for n in sizes}
    works |= {f"cached {n}": Work(next_token(model, n)) for n in sizes}
    ms = take_turns(works, 3)
    return {"length": sizes} | {
        kind: [ms[f"{kind} {n}"] for n in sizes] for kind in ("plain", "cached")
    }


def works_of_the_model(model: GPT, rounds: int) -> dict[str, dict[str, float]]:
    """Training, reading, one token, eight texts: tokens in a pass, operations, milliseconds."""
    config, most = model.config, model.config.block_size
    T, prompt, context, texts = most // 16, most // 2, most // 8, 8
    one = forward_flops(config, 1, context)
    # attention's part of a token's operations is counted for the length that it has here
    shorter = ModelConfig(**{**vars_of(config), "block_size": T})
    counted = {  # tokens in a pass, operations
        "training": (4 * T, 4 * T * flops_per_token(shorter)),
        "prefill": (prompt, forward_flops(config, prompt, prompt)),
        "one token": (1, one),
        "eight texts, plain": (texts, texts * one),
        "eight texts, panels": (texts, texts * one),
        "one token, int8": (1, one),
    }
    with ExitStack() as stack:
        cut = stack.enter_context(in_panels(GPT(config, model.flat.copy())))
        small = stack.enter_context(with_workers(quantised(model)))
        ms = take_turns(
            {
                "training": training(model, 4, T, CORES, stack),
                "prefill": Work(read(model, prompt)),
                "one token": Work(next_token(model, context)),
                "eight texts, plain": Work(next_token(model, context, texts)),
                "eight texts, panels": Work(next_token(cut, context, texts), 1),
                "one token, int8": Work(next_token(small, context), 1),
            },
            rounds,
        )
    return {
        name: {"tokens": tokens, "ms": ms[name], "GFLOP/s": round(flops / ms[name] / 1e6, 3)}
        for name, (tokens, flops) in counted.items()
    }


def vars_of(config: ModelConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def products(size: int) -> dict[str, list[Any]]:
    """GFLOP/s of x (N, size) @ w (size, size), a w that does not fit into the cache, by N."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((size, size), np.float32)
    rows = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    xs = {str(n): rng.standard_normal((n, size), np.float32) for n in rows}
    works = {n: Work(partial(np.matmul, x, w)) for n, x in xs.items()}
    ms = take_turns(works, 5)
    return {"rows": rows, "GFLOP/s": [round(2e-6 * n * size * size / ms[str(n)], 2) for n in rows]}


def gelu(x: Array, cube: Array) -> Array:
    y: Array = 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * cube)))
    return y


def gelu_in_place(x: Array) -> Array:
    """The same sum in one array of memory and one more for the result."""
    y = x * x
    y *= 0.044715
    y += 1
    y *= x
    y *= 0.7978845608
    np.tanh(y, out=y)
    y += 1
    y *= x
    y *= 0.5
    return y


def softmax_by_row(x: Array) -> Array:
    return np.array([softmax_forward(row)[0] for row in x])


def softmax_by_number(x: Array) -> Array:
    y = np.empty_like(x)
    for i, row in enumerate(x.tolist()):
        largest = max(row)
        e = [math.exp(number - largest) for number in row]
        total = sum(e)
        y[i] = [number / total for number in e]
    return y


def operations() -> dict[str, dict[str, float]]:
    """The same result written in several ways, milliseconds on one thread."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((768, 512), np.float32)
    scores, double = rng.standard_normal((3072, 64), np.float32), x.astype(np.float64)
    gelus = {
        "x**3": Work(lambda: gelu(x, x**3), 1),
        "x*x*x, by accident float64": Work(lambda: gelu(double, double * double * double), 1),
        "x*x*x": Work(lambda: gelu(x, x * x * x), 1),
        "x*x*x, in place": Work(lambda: gelu_in_place(x), 1),
    }
    softmaxes = {
        "number by number": Work(lambda: softmax_by_number(scores), 1),
        "row by row": Work(lambda: softmax_by_row(scores), 1),
        "all rows at once": Work(lambda: softmax_forward(scores), 1),
    }
    return {"gelu": take_turns(gelus, 5), "softmax": take_turns(softmaxes, 5)}


def threads(config: ModelConfig, rounds: int) -> dict[str, float]:
    """Milliseconds of a training step, by who has the threads."""
    model = GPT(config)
    with ExitStack() as stack:
        alone = training(model, 12, config.block_size, 1, stack)
        shared = training(model, 12, config.block_size, CORES, stack)
        works = {
            "one thread": Work(alone.run, 1),
            f"BLAS with {CORES} threads": Work(alone.run, CORES),
            f"{CORES} threads, each with half of the batch": Work(shared.run, 1),
        }
        if CORES != 2:
            works[f"{CORES} threads, each with its part of the batch"] = works.popitem()[1]
        return take_turns(works, rounds)


def machine() -> dict[str, object]:
    """Where it was measured."""
    name = platform.processor() or platform.machine()
    if sys.platform.startswith("linux"):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((s.split(":")[1].strip() for s in lines if s.startswith("model name")), name)
    kernels = [blas.get("architecture", "") for blas in threadpool_info() if blas.get("prefix")]
    return {
        "name": name,
        "cores": CORES,
        "date": datetime.date.today().isoformat(),
        "NumPy": np.__version__,
        "BLAS kernels": kernels[0] if kernels else "",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what lesson 13 draws.")
    parser.add_argument("--out", type=Path, default=HOME)
    parser.add_argument("--small", action="store_true", help="a tiny model, to try the script")
    args = parser.parse_args()
    keep_freed_memory()
    began = time.perf_counter()
    probes = [(gflops(), bandwidth())]
    model = GPT(TRY if args.small else GPT2)
    measured: dict[str, Any] = {
        "machine": machine(),
        "model": "random weights in " + ("a tiny shape" if args.small else "GPT-2's shape, 124 M"),
        "ms a token": lengths(model),
        "works": works_of_the_model(model, 1 if args.small else 5),
        "products": products(256 if args.small else 8192),
        "ms of an operation": operations(),
        "ms of a training step": threads(TRY if args.small else TINY, 3 if args.small else 10),
    }
    probes.append((gflops(), bandwidth()))
    for i, unit in enumerate(("GFLOP/s", "GB/s")):
        measured[unit] = {
            when: round(probe[i], 1)
            for when, probe in zip(("before", "after"), probes, strict=True)
        }
    # the most that was seen; one row times a matrix reads two bytes for each operation
    seen = measured["products"]["GFLOP/s"]
    measured["roof"] = {
        "GFLOP/s": max(*measured["GFLOP/s"].values(), *seen),
        "GB/s": max(*measured["GB/s"].values(), 2 * seen[0]),
    }
    measured["seconds in all"] = round(time.perf_counter() - began)
    text = json.dumps(measured, indent=1, ensure_ascii=False) + "\n"
    args.out.write_text(text, encoding="utf-8", newline="\n")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
