"""What a run will do, before it does it: `--explain` in words, `--dry-run` in numbers.

Neither writes a file.
"""

import math
import time
import tracemalloc
from typing import NamedTuple

import numpy as np

from tinygpt.backend import select, synchronize
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data.batches import Batches
from tinygpt.model import GPT
from tinygpt.optim import AdamW
from tinygpt.parallel import TrainingStep
from tinygpt.params import decayed_count, param_shapes, parameter_count
from tinygpt.progress import duration
from tinygpt.threads import memory_available
from tinygpt.training import Text, prepare_text, schedule_length, tokens_per_step

TIMED_STEPS = 2


class Plan(NamedTuple):
    """A run on paper."""

    config: TrainConfig
    model: ModelConfig
    text: Text
    steps: int
    parameters: int
    flops: float  # per step


def make_plan(config: TrainConfig) -> Plan:
    """Read the text and count.   Raises DataError when there is no text or too little."""
    text = prepare_text(config)
    model = config.model_config(text.tokenizer.vocab_size)
    return Plan(
        config,
        model,
        text,
        schedule_length(config, len(text.train)),
        parameter_count(model),
        flops_per_token(model) * tokens_per_step(config),
    )


def flops_per_token(model: ModelConfig) -> float:
    """Floating-point operations to learn from one token: 6 N + 12 L C T.

    Each of the N parameters takes part in one multiplication and one addition forward, and in two
    of each backward. Attention adds scores and weighted sums over T positions, counted whole,
    without the mask (Kaplan et al. 2020, section 2.1; Chowdhery et al. 2022, appendix B). Positions
    are looked up and never multiplied, so wpe is left out of N.

    >>> flops_per_token(ModelConfig(vocab_size=65, block_size=64, n_layer=4, n_head=4, n_embd=128))
    5207040
    """
    n = parameter_count(model) - math.prod(param_shapes(model)["wpe"].shape)
    return 6 * n + 12 * model.n_layer * model.n_embd * model.block_size


class Measurement(NamedTuple):
    """What real steps of a run take: seconds each, bytes at the peak (None on a GPU)."""

    seconds: float
    peak: int | None
    workers: int


def measure(plan: Plan) -> Measurement:
    """Take one real step for memory and two for time, on a model that is then thrown away."""
    config, xp = plan.config, select(plan.config.device)
    tracemalloc.start()  # NumPy reports its arrays to it
    model = GPT(plan.model, seed=config.seed, dtype=np.dtype(config.dtype), xp=xp)
    optimizer = AdamW(plan.parameters, decayed_count(plan.model), dtype=model.dtype, xp=xp)
    rows = config.batch_size * config.accumulate
    batches = Batches(plan.text.train, config.block_size, rows, config.seed)
    stepper = TrainingStep(
        model,
        optimizer,
        rows=rows,
        workers=config.threads,
        clip=config.clip,
        seed=config.seed,
        accumulate=config.accumulate,
    )
    try:
        stepper(*batches.batch(0), lr=config.min_lr, step=0)
        peak = tracemalloc.get_traced_memory()[1] if xp is np else None
        tracemalloc.stop()
        synchronize(xp)
        began = time.perf_counter()
        for step in range(1, 1 + TIMED_STEPS):
            stepper(*batches.batch(step), lr=config.min_lr, step=step)
        synchronize(xp)
        return Measurement((time.perf_counter() - began) / TIMED_STEPS, peak, stepper.pool.n)
    finally:
        tracemalloc.stop()
        stepper.close()


def dry_run(config: TrainConfig) -> str:
    """The run in numbers: parameters, memory, FLOPs per step, expected time."""
    plan = make_plan(config)
    measured = measure(plan)
    tokens = tokens_per_step(config)
    size = plan.parameters * np.dtype(config.dtype).itemsize
    fixed = size * (3 + measured.workers)
    evaluations = math.ceil(plan.steps / config.eval_every)
    # forward alone is a third of a step's arithmetic
    validation = evaluations * len(plan.text.val) / tokens * measured.seconds / 3
    available = memory_available()
    lines = {
        "text": f"{len(plan.text.train):,} tokens to learn, {len(plan.text.val):,} held out, "
        f"{plan.model.vocab_size:,} different ids ({plan.text.tokenizer.name})",
        "parameters": f"{plan.parameters:,}",
        "tokens per step": f"{tokens:,} ({plan.steps:,} steps, "
        f"{plan.steps * tokens / len(plan.text.train):.1f} epochs)",
        "FLOPs per step": f"{plan.flops / 1e9:.2f} billion "
        f"({plan.flops / measured.seconds / 1e9:.0f} billion a second here)",
        "memory": f"{_megabytes(fixed)} for weights, {measured.workers} gradient"
        f"{'s' * (measured.workers != 1)} and AdamW's two averages"
        + ("" if measured.peak is None else f"; {_megabytes(measured.peak)} at the peak of a step")
        + ("" if available is None else f"; {_megabytes(available)} available"),
        "time": f"{measured.seconds * 1e3:.0f} ms a step, "
        f"{duration(measured.seconds * plan.steps)} to train and about {duration(validation)} "
        f"for {evaluations} validations ({measured.workers} "
        f"thread{'s' * (measured.workers != 1)}, measured now)",
    }
    return "\n".join(f"{name + ':':17}{value}" for name, value in lines.items())


def _megabytes(n: float) -> str:
    return f"{n / 1e6:,.1f} MB" if n < 1e9 else f"{n / 1e9:,.1f} GB"


def explain(config: TrainConfig) -> str:
    """The run in plain words, with its own numbers."""
    plan = make_plan(config)
    text, model = plan.text, plan.model
    tokens = tokens_per_step(config)
    guess = math.log(model.vocab_size)
    warmup = min(config.warmup, plan.steps)
    dropped = (
        f"\nWhile training, {config.dropout:.0%} of the activations are dropped at random, so that "
        "no part relies on one other."
        if config.dropout
        else ""
    )
    samples = (
        f" Every {config.sample_every} steps the model says something, so that you can hear it "
        "learn."
        if config.sample_every
        else ""
    )
    return f"""\
This run is called {config.run_name!r}. Nothing has been trained or written yet.

THE TEXT
The text is {text.name!r}. The {text.tokenizer.name} tokenizer turns it into {len(text.train) + len(text.val):,} tokens, each
one of {model.vocab_size:,} ids. The model learns from {len(text.train):,} of them; {len(text.val):,} are held out, to see
whether it has learnt the language or only the text by heart.

THE MODEL
It is a GPT with {model.n_layer} block{"s" * (model.n_layer != 1)}. Every position carries a vector of {model.n_embd} numbers. In each block,
attention ({model.n_head} head{"s" * (model.n_head != 1)} of {model.n_embd // model.n_head} channels) lets a position look back at up to {model.block_size} tokens, and a
small network of {4 * model.n_embd} hidden units thinks about what was found. Altogether {plan.parameters:,}
numbers, the parameters, are learnt; they begin at random.{dropped}

ONE STEP
A step takes {config.batch_size * config.accumulate} random windows of {config.block_size} tokens ({tokens:,} tokens). At every position the model
predicts the next token; the loss is the mean of -ln(probability it gave to the right one).
Backward finds how the loss changes with each parameter (about {plan.flops / 1e9:.2f} billion
multiplications and additions a step), and AdamW moves each parameter a little downhill.
There will be {plan.steps:,} steps: {plan.steps * tokens:,} tokens, or {plan.steps * tokens / len(text.train):.1f} times through the text.

THE LEARNING RATE
How far a step goes: it rises to {config.lr:g} over the first {warmup} steps, because early gradients
are wild, then falls along a cosine to {config.min_lr:g}, to settle.
{_clip_sentence(config)}

WHAT THE NUMBERS ON THE SCREEN MEAN
loss      At the first step about {guess:.2f} = ln {model.vocab_size}: every token is as likely as any other.
          exp(loss) is how many tokens the model wavers between: {guess:.2f} is {model.vocab_size}, 1.50 would be
          {math.exp(1.5):.1f}. It jumps about, because each step sees other windows.
val       The same on all of the held-out text, every {config.eval_every} steps. This is the number that
          counts. If it rises while the loss still falls, the model is learning by heart:
          stop, use more text, a smaller model, or --dropout 0.1.
tokens/s  How many tokens are learnt from in a second.
ETA       The time left.{samples}

WHAT YOU WILL FIND
In checkpoints/{config.run_name}/: best.h5 (lowest val), latest.h5 (to go on from), final.h5,
config.toml (these settings), log.jsonl (the numbers), loss.png (their picture).
Ctrl-C saves and leaves; --run-name {config.run_name} --resume goes on as if nothing had happened.

--dry-run measures how long it will take. Without --explain, it begins."""


def _clip_sentence(config: TrainConfig) -> str:
    if config.clip == 0:
        return "Gradients are used as they come, without clipping."
    return f"A gradient longer than {config.clip:g} is shortened to that, so no batch can wreck it."
