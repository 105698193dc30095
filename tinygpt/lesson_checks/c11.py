"""Lesson 11: `train`, `save` and `load`."""

import math
import numbers
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tinygpt.backend import Array
from tinygpt.config import ModelConfig
from tinygpt.lesson_checks.core import Candidate, Check, Finding, expect, expect_close
from tinygpt.model import GPT
from tinygpt.optim import AdamW, clip_factor, squared_norm
from tinygpt.parallel import TrainingStep
from tinygpt.params import decayed_count, parameter_count, views

Batch = Callable[[int], tuple[Array, Array]]
Rate = Callable[[int], float]
CLIP = 1.0  # the lesson's limit of the global norm
CONFIG = ModelConfig(vocab_size=7, block_size=5, n_layer=1, n_head=2, n_embd=8)


def train(
    model: GPT,
    optimizer: AdamW,
    batch: Batch,
    rate: Rate,
    begin: int,
    end: int,
    parts: int = 1,
) -> list[float]:
    """Steps begin, …, end - 1 of training, each batch worked through in `parts`; their losses."""
    losses: list[float] = []
    stepper = None
    for step in range(begin, end):
        x, y = batch(step)
        if stepper is None:
            stepper = TrainingStep(
                model, optimizer, rows=len(x), workers=1, clip=CLIP, accumulate=parts
            )
        losses.append(stepper(x, y, lr=rate(step), step=step)[0])
    if stepper is not None:
        stepper.close()
    return losses


def save(path: str, model: GPT, optimizer: AdamW, step: int, seed: int) -> str:
    """Write all that a run needs to go on as if it had never stopped; the path."""
    t = optimizer.t
    np.savez(path, flat=model.flat, m=optimizer.m, v=optimizer.v, t=t, step=step, seed=seed)
    return path


def load(path: str, model: GPT, optimizer: AdamW) -> tuple[int, int]:
    """Put what `save` wrote into a model and an optimiser of the same shape; step, seed."""
    with np.load(path) as file:
        model.flat[:] = file["flat"]
        optimizer.m[:], optimizer.v[:] = file["m"], file["v"]
        optimizer.t = int(file["t"])
        return int(file["step"]), int(file["seed"])


class _Model(GPT):
    def __repr__(self) -> str:
        return f"a GPT of {len(self.flat)} parameters"


class _Optimizer(AdamW):
    def __repr__(self) -> str:
        return f"an AdamW that has done {self.t} steps"


class _Asked:
    """A function of the step that remembers for which steps it was asked."""

    def __init__(self, name: str, fn: Callable[[int], Any]) -> None:
        self.name, self.fn = name, fn
        self.steps: list[int] = []

    def __call__(self, step: int) -> Any:
        if not self.steps or self.steps[-1] != int(step):
            self.steps.append(int(step))
        return self.fn(step)

    def __repr__(self) -> str:
        return f"the function {self.name}(step)"


def _new(seed: int = 0, dtype: Any = np.float64, config: ModelConfig = CONFIG) -> _Model:
    """A model with weights so large that some of its gradients are clipped, and some not."""
    draws = np.random.default_rng(seed).standard_normal(parameter_count(config))
    return _Model(config, (0.45 * draws).astype(dtype))


def _optimizer(model: GPT) -> _Optimizer:
    config = model.config
    return _Optimizer(parameter_count(config), decayed_count(config), dtype=model.dtype)


def _batch(step: int) -> tuple[Array, Array]:
    ids = np.random.default_rng([7, step]).integers(0, 7, (4, 6))
    return ids[:, :-1], ids[:, 1:]


def _rate(step: int) -> float:
    return 0.01 * (1 + step % 3)


def _plain(
    model: GPT,
    optimizer: AdamW,
    begin: int,
    end: int,
    parts: int,
    *,
    limit: float = CLIP,
    never_zeroed: bool = False,
    last_part: bool = False,
    own_means: bool = False,
    norm_as_scale: bool = False,
    no_gradients: bool = False,
) -> None:
    """`train` line by line, with the mistakes that people make."""
    grads = np.zeros_like(model.flat)
    g = views(grads, model.config)
    for step in range(begin, end):
        x, y = _batch(step)
        for i, rows in enumerate(np.array_split(np.arange(len(x)), parts)):
            model.loss_and_gradients(
                x[rows], y[rows], g, count=None if own_means else y.size,
                accumulate=never_zeroed or (i > 0 and not last_part),
            )  # fmt: skip
        norm = math.sqrt(squared_norm(grads))
        scale = norm if norm_as_scale else clip_factor(norm, limit)
        if no_gradients:
            grads[:] = 0.0
        optimizer.begin_step()
        optimizer.update(model.flat, grads, _rate(step), scale=scale, part=slice(None))


_ADDS = (
    "each step adds to the gradients of the step before: the first part of a step has to "
    "overwrite them, accumulate=False"
)
MISTAKES: list[tuple[str, dict[str, Any]]] = [
    *((_ADDS, {"never_zeroed": True, "limit": limit}) for limit in (CLIP, 0.0)),
    ("of the parts only the last one counts: from the second part on they have to be added, "
     "accumulate=True", {"last_part": True}),
    ("the gradients are parts times too large: every part has to divide by the tokens of the "
     "whole batch, count=y.size", {"own_means": True}),
    (f"the gradient is not clipped: its global norm may be {CLIP:g} at most", {"limit": 0.0}),
    (f"update takes as scale= what clip_factor(norm, {CLIP:g}) gives, and not the norm itself",
     {"norm_as_scale": True}),
    ("the gradients that update gets are all 0: loss_and_gradients has to write into the views of "
     "that very array", {"no_gradients": True}),
]  # fmt: skip


def _trained(
    f: Candidate, model: _Model, optimizer: _Optimizer, begin: int, end: int, parts: int
) -> list[float]:
    """The losses of one call, once they are as many numbers as there were steps."""
    batch, rate = _Asked("batch", _batch), _Asked("rate", _rate)
    losses = f(model, optimizer, batch, rate, begin, end, parts)
    right = list(range(begin, end))
    for asked in (batch, rate):
        expect(asked.steps == right, f"from begin = {begin} to end = {end} it should call "
               f"{asked.name}(step) for the steps {right}, and calls it for {asked.steps}",
               f)  # fmt: skip
    kind = f"it returns a {type(losses).__name__} and should return a list of {end - begin} losses"
    expect(isinstance(losses, list | tuple | np.ndarray), kind, f)
    count = f"it returns {len(losses)} losses for {end - begin} steps"
    expect(len(losses) == end - begin, count, f, yours=losses)
    for loss in losses:
        expect(isinstance(loss, numbers.Real), f"a loss is a {type(loss).__name__} and should be "
               "one number", f, yours=losses)  # fmt: skip
    return list(losses)


def train_is_right(f: Candidate) -> None:
    for begin, end, parts in ((0, 1, 1), (0, 2, 2), (0, 3, 1), (3, 5, 1), (2, 4, 4)):
        model, before = _new(), _new()
        optimizer = _optimizer(model)
        losses = _trained(f, model, optimizer, begin, end, parts)
        moved = not np.array_equal(model.flat, before.flat)
        expect(moved, "the parameters have not moved: optimizer.update moves model.flat", f)
        n = end - begin
        expect(optimizer.t == n, f"the optimiser counts {optimizer.t} steps after {n}: "
               "begin_step once a step, not once a part", f)  # fmt: skip
        x, y = _batch(begin)
        _first_loss(f, losses[0], before, x, y, parts)
        right = _new()
        _plain(right, _optimizer(right), begin, end, parts)
        for sentence, mistake in MISTAKES:
            wrong = _new()
            _plain(wrong, _optimizer(wrong), begin, end, parts, **mistake)
            made = _same(model.flat, wrong.flat) and not _same(wrong.flat, right.flat)
            expect(not made, sentence, f)
        f.given = ()
        done = f"after the steps {begin} to {end - 1}, in {parts} part{'s' * (parts != 1)} each"
        expect_close(f, model.flat, right.flat, f"{done}, "
                     "the parameters are not where AdamW with the clipped gradient of the whole "
                     "batch takes them", tolerance=1e-6)  # fmt: skip
    _two_halves(f)
    _one_batch(f)


def _same(a: Array, b: Array) -> bool:
    return bool(np.allclose(a, b, rtol=1e-7, atol=1e-9))


def _first_loss(f: Candidate, got: float, model: GPT, x: Array, y: Array, parts: int) -> None:
    right, copied, T = model.loss(x, y), model.loss(x, x), y.shape[1]
    last = np.array_split(np.arange(len(x)), parts)[-1]
    facts = {"yours": got, "right": right}
    expect(not math.isclose(got, copied, rel_tol=1e-9), "the first loss is that of copying x: the "
           "right answers are y, the second thing that batch gives", f, **facts)  # fmt: skip
    times = parts > 1 and math.isclose(got, parts * right, rel_tol=1e-9)
    expect(not times, "the loss is parts times too large: every part has to divide by the tokens "
           "of the whole batch, count=y.size", f, **facts)  # fmt: skip
    rows = math.isclose(got, T * right, rel_tol=1e-9)
    expect(not rows, f"the loss is {T} times too large: y.size counts the batch's tokens, len(y) "
           "its rows", f, **facts)  # fmt: skip
    of_last = model.loss(x[last], y[last]) * len(last) / len(x)
    alone = parts > 1 and math.isclose(got, of_last, rel_tol=1e-9)
    expect(not alone, "the loss of a step is the sum over its parts, and this is the last part's "
           "alone", f, **facts)  # fmt: skip
    expect(math.isclose(got, right, rel_tol=1e-9), "the first loss is not that of the batch before "
           "the step", f, **facts)  # fmt: skip


def _two_halves(f: Candidate) -> None:
    straight, halves = _new(), _new()
    _trained(f, straight, _optimizer(straight), 0, 6, 2)
    optimizer = _optimizer(halves)
    _trained(f, halves, optimizer, 0, 3, 2)
    _trained(f, halves, optimizer, 3, 6, 2)
    same = np.array_equal(straight.flat, halves.flat)
    expect(same, "steps 0 to 2 and then 3 to 5 end elsewhere than 0 to 5 in one go: something is "
           "kept or counted inside your function", f)  # fmt: skip


def _one_batch(f: Candidate) -> None:
    """200 steps on one batch whose rows differ from the first id on."""
    config = ModelConfig(vocab_size=12, block_size=8, n_layer=1, n_head=2, n_embd=16)
    ids = np.random.default_rng(3).integers(0, 12, (4, 9))
    ids[:, 0] = range(4)
    model = _Model(config, seed=0, dtype=np.float64)
    batch, rate = _Asked("batch", lambda step: (ids[:, :-1], ids[:, 1:])), lambda step: 0.01
    losses = f(model, _optimizer(model), batch, _Asked("rate", rate), 0, 200, 1)
    expect(losses[-1] < 0.05, "after 200 steps on one and the same batch the loss should be below "
           f"0.05; it is {losses[-1]:.3f}", f)  # fmt: skip


class _Path(str):
    """A file's name that is shown without its folder."""

    def __repr__(self) -> str:
        return repr(Path(self).name)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        yield Path(name)


NEEDED = {
    "flat": "the parameters",
    "m": "the optimiser's running mean of gradients: without it the next step has no memory",
    "v": "the optimiser's running mean of squares: without it all strides begin anew",
    "t": "the optimiser's count of steps, which the bias correction needs",
    "step": "the step, which is the place in the data and in the schedule",
    "seed": "the seed that batch(step) draws with",
}


def _in_the_middle(dtype: Any = np.float64) -> tuple[_Model, _Optimizer]:
    """A model and an optimiser that have done three steps."""
    model = _new(dtype=dtype)
    optimizer = _optimizer(model)
    _plain(model, optimizer, 0, 3, 1)
    return model, optimizer


def _arrays(model: GPT, optimizer: AdamW) -> dict[str, Array]:
    return {"flat": model.flat, "m": optimizer.m, "v": optimizer.v}


def save_is_right(f: Candidate) -> None:
    with _folder() as folder:
        path = _Path(folder / "run.npz")
        for dtype in (np.float64, np.float32):
            model, optimizer = _in_the_middle(dtype)
            before = {name: a.copy() for name, a in _arrays(model, optimizer).items()}
            got = f(path, model, optimizer, 5, 42)
            expect(str(got) == str(path), "it should return the path", f, yours=got)
            expect(Path(path).is_file(), "there is no file of that name after it", f)
            _check_file(f, path, before | {"t": 3, "step": 5, "seed": 42})
            for name, array in _arrays(model, optimizer).items():
                same = np.array_equal(before[name], array)
                expect(same, f"saving changes {name}: it should only look", f)


def _check_file(f: Candidate, path: str, right: dict[str, Any]) -> None:
    stored: dict[str, Array] = {}
    try:
        with np.load(path) as file:
            names = list(file)
            for name in names:
                stored[name] = file[name]
    except Exception as cause:
        raise Finding("np.load cannot read the file without pickle; write it with np.savez, every "
                      f"array under its own name ({str(cause).rstrip('.')})",
                      f.facts()) from None  # fmt: skip
    for name, what in NEEDED.items():
        expect(name in stored, f"the file has no {name!r}, {what}", f, names=sorted(stored))
    for name, wanted in right.items():
        got = stored[name]
        for other in NEEDED:
            if other != name and got.shape and np.array_equal(got, right[other]):
                raise Finding(f"the file's {name!r} is the {other} of the run", f.facts())
        facts = {"yours": got, "right": wanted}
        if isinstance(wanted, int):
            same = got.shape == () and got.dtype.kind in "iu" and int(got) == wanted
            expect(same, f"the file's {name!r} is not {wanted}: {NEEDED[name]}", f, **facts)
            continue
        expect(got.dtype == wanted.dtype, f"the file's {name!r} is {got.dtype} and the run's is "
               f"{wanted.dtype}: bits are lost on the way", f)  # fmt: skip
        same = np.array_equal(got, wanted)
        expect(same, f"the file's {name!r} is not {NEEDED[name]}, bit for bit", f, **facts)


def load_is_right(f: Candidate) -> None:
    with _folder() as folder:
        path = _Path(folder / "run.npz")
        for dtype in (np.float64, np.float32):
            run, its_optimizer = _in_the_middle(dtype)
            save(path, run, its_optimizer, 5, 42)
            model = _new(seed=1, dtype=dtype)
            optimizer = _optimizer(model)
            got: Any = f(path, model, optimizer)
            if not isinstance(got, tuple | list) or len(got) != 2:
                raise Finding("it should return two numbers, step and seed", f.facts(yours=got))
            expect([int(n) for n in got] == [5, 42], "it should return the step, 5, and the seed, "
                   "42, in this order", f, yours=tuple(int(n) for n in got))  # fmt: skip
            _check_loaded(f, model, optimizer, run, its_optimizer)
            _plain(run, its_optimizer, 5, 8, 1)
            _plain(model, optimizer, int(got[0]), 8, 1)
            expect(np.array_equal(run.flat, model.flat), "three steps later the resumed run is "
                   "elsewhere than the straight one", f)  # fmt: skip


def _check_loaded(
    f: Candidate, model: GPT, optimizer: AdamW, run: GPT, its_optimizer: AdamW
) -> None:
    saved, loaded = _arrays(run, its_optimizer), _arrays(model, optimizer)
    x, y = _batch(0)
    expect(np.array_equal(loaded["flat"], saved["flat"]), "model.flat is not what was saved", f)
    same = model.loss(x, y) == run.loss(x, y)
    expect(same, "model.flat is right, but the model computes with its old weights: model.params "
           "are views into the old array; write into it, model.flat[:] = …", f)  # fmt: skip
    for name, other in (("m", "v"), ("v", "m")):
        got = loaded[name]
        expect(bool(got.any()), f"optimizer.{name} is still 0: the next step has no memory of the "
               "steps before", f)  # fmt: skip
        swapped = np.array_equal(got, saved[other])
        expect(not swapped, f"optimizer.{name} has got {other}", f)
        whole = got.dtype == saved[name].dtype and np.array_equal(got, saved[name])
        expect(whole, f"optimizer.{name} is not what was saved, bit for bit", f)
    t: Any = optimizer.t
    kind = f"optimizer.t is a {type(t).__name__}; make it a whole number, int(…)"
    expect(isinstance(t, int), kind, f)
    right = its_optimizer.t
    expect(t == right, f"optimizer.t is {t} and should be {right}: the bias correction of the next "
           "step would be that of another step", f)  # fmt: skip


CHECKS = [
    Check(
        name="11.train",
        arguments=("model", "optimizer", "batch", "rate", "begin", "end", "parts"),
        properties=train_is_right,
        right="parts give the whole batch, two halves the whole run, one batch goes below 0.05",
        library=train,
        hints=(
            "Two loops: over the steps, and in it over the parts of a batch. What happens once a "
            "step, and what once a part?",
            "Once a part: loss_and_gradients of x[rows] and y[rows], with count=y.size and "
            "accumulate=i > 0; its losses add up to the loss of the step. Once a step: clip, "
            "begin_step, update.",
            "for step in range(begin, end): x, y = batch(step); loss = 0.0; for i, rows in "
            "enumerate(np.array_split(np.arange(len(x)), parts)): loss += …; then scale = "
            "optim.clip_factor(np.linalg.norm(grads), 1.0), optimizer.begin_step(), "
            "optimizer.update(model.flat, grads, rate(step), scale=scale, part=slice(None)), "
            "losses.append(loss).",
        ),
    ),
    Check(
        name="11.save",
        arguments=("path", "model", "optimizer", "step", "seed"),
        properties=save_is_right,
        right="parameters, both moments, t, step and seed are in the file, bit for bit",
        library=save,
        hints=(
            "Six things, each under its own name. The table above says where they are.",
            "np.savez(path, name=array, …) writes arrays and numbers alike.",
            "np.savez(path, flat=model.flat, m=optimizer.m, v=optimizer.v, t=optimizer.t, "
            "step=step, seed=seed); then return path.",
        ),
    ),
    Check(
        name="11.load",
        arguments=("path", "model", "optimizer"),
        properties=load_is_right,
        right="the resumed run is the straight run, bit for bit",
        library=load,
        hints=(
            "np.load(path) gives something like a dict: file['m']. Where does each of the six go?",
            "Arrays go into the arrays that are there: model.flat[:] = file['flat'], because "
            "model.params looks into that very array. Numbers come as arrays without axes: int(…).",
            "Fill model.flat[:], optimizer.m[:] and optimizer.v[:]; optimizer.t = "
            "int(file['t']); return int(file['step']), int(file['seed']).",
        ),
    ),
]
