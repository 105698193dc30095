"""What a checkpoint holds, in words: `python -m tinygpt.checkpoint show`."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from tinygpt.checkpoint.read import Outline
from tinygpt.config import ModelConfig
from tinygpt.int8 import int8_paths, int8_specs
from tinygpt.params import ParamSpec, param_shapes, parameter_count

_LOSSES = ("loss", "val_loss", "best_val_loss")


def describe(outline: Outline) -> str:
    """Configuration, tokenizer, training so far, and the tree of arrays with shapes and sizes.

    All blocks are alike, so one stands for them.
    """
    config = outline.config
    arrays = _stored(config, outline.dtype)
    total = sum(math.prod(spec.shape) * size for spec, size in arrays.values())
    optimizer = "with the optimiser's averages" if outline.optimizer else "no optimiser state"
    lines = [
        f"{outline.path}: {outline.path.stat().st_size / 1e6:.1f} MB, {outline.dtype}, {optimizer}",
        "",
        "configuration  " + ", ".join(f"{name} {value}" for name, value in asdict(config).items()),
        f"tokenizer      {outline.tokenizer.name}, {outline.tokenizer.vocab_size:,} ids",
        *(f"{name:15}{text}" for name, text in _training(outline.state)),
        "",
        *_tree(arrays, config.n_layer),
        "",
        f"{parameter_count(config):,} parameters, {_size(total)}",
    ]
    return "\n".join(lines)


def _training(state: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the run that wrote it left: each part only if it is there."""
    if "converted_from" in state:
        yield "converted", f"from the GPT-2 folder {state['converted_from']!r:.80}"
    if isinstance(state.get("step"), int) and isinstance(state.get("steps"), int):
        yield "step", f"{state['step']:,} of {state['steps']:,}"
    losses = [
        f"{name} {value:.4f}"
        for name in _LOSSES
        if isinstance(value := state.get(name), float) and math.isfinite(value)
    ]
    if losses:
        yield "losses", ", ".join(losses)
    if isinstance(data := state.get("data"), dict) and isinstance(data.get("train_tokens"), int):
        yield "text", f"{data.get('name')!r:.80}, {data['train_tokens']:,} tokens to learn"


def _stored(config: ModelConfig, dtype: str) -> dict[str, tuple[ParamSpec, int]]:
    """Path of each array of weights -> how it is stored, and the bytes of each number."""
    if dtype != "int8":
        size = np.dtype(dtype).itemsize
        return {path: (spec, size) for path, spec in param_shapes(config).items()}
    paths = int8_paths(config)
    arrays = {path: (s, 1 if path in paths else 4) for path, s in int8_specs(config).items()}
    scales = {f"{path} scale": (ParamSpec(arrays[path][0].shape[:1]), 4) for path in paths}
    return arrays | scales


def _tree(arrays: dict[str, tuple[ParamSpec, int]], n_layer: int) -> Iterator[str]:
    """A line per array; those of block 0 stand for every block's."""
    rows = []
    for path, (spec, itemsize) in arrays.items():
        if not path.startswith("h.") or path.startswith("h.0."):
            of_block = path.startswith("h.0.")
            count = math.prod(spec.shape) * (n_layer if of_block else 1)
            times = f"x {n_layer}" if of_block else ""
            name = path.replace("h.0.", "h.*.")
            rows.append((name, str(spec.shape), spec.layout, times, _size(count * itemsize)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *middle, size in rows:
        cells = (cell.ljust(width) for cell, width in zip(middle, widths[1:], strict=False))
        yield f"{name:{widths[0]}}  {'  '.join(cells)}  {size:>{widths[-1]}}"


def _size(n: int) -> str:
    return f"{n / 1e6:,.1f} MB" if n >= 1e6 else f"{n / 1e3:,.1f} kB"
