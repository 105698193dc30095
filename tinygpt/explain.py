"""What a run will do, before it does it: `--explain` in words, `--dry-run` in numbers.

Neither writes a file.
"""

import math
import textwrap
import time
import tracemalloc
from typing import NamedTuple

import numpy as np

from tinygpt.backend import select, synchronize
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.corpus import Text
from tinygpt.fine_tuning import doubt, load_beginning, text_of
from tinygpt.flops import flops_per_token
from tinygpt.model import GPT
from tinygpt.optim import AdamW
from tinygpt.parallel import TrainingStep
from tinygpt.params import decayed_count, parameter_count
from tinygpt.progress import duration
from tinygpt.run_start import schedule_length
from tinygpt.threads import memory_available
from tinygpt.training import tokens_per_step

TIMED_STEPS = 2
WIDTH = 88  # of a line of explanation


class Plan(NamedTuple):
    """A run on paper."""

    config: TrainConfig
    model: ModelConfig
    text: Text
    steps: int
    parameters: int
    flops: int  # per step


def make_plan(config: TrainConfig) -> Plan:
    """Read the text and count.   Raises DataError when there is no text or too little."""
    beginning = load_beginning(config)
    text = text_of(config, beginning)
    model = config.model_config((beginning.config if beginning else text.tokenizer).vocab_size)
    return Plan(
        config,
        model,
        text,
        schedule_length(config, len(text.train)),
        parameter_count(model),
        flops_per_token(model) * tokens_per_step(config),
    )


class Measurement(NamedTuple):
    """What real steps of a run take: seconds each, bytes at the peak (None on a GPU)."""

    seconds: float
    peak: int | None
    workers: int
    gradients: int


def measure(plan: Plan) -> Measurement:
    """Take one real step for memory and two for time, on a model that is then thrown away."""
    config, xp = plan.config, select(plan.config.device)
    tracemalloc.start()  # NumPy reports its arrays to it
    model = GPT(plan.model, seed=config.seed, dtype=np.dtype(config.dtype), xp=xp)
    optimizer = AdamW(plan.parameters, decayed_count(plan.model), dtype=model.dtype, xp=xp)
    rows = config.batch_size * config.accumulate
    batches = plan.text.batches(config)
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
        seconds = (time.perf_counter() - began) / TIMED_STEPS
        return Measurement(seconds, peak, stepper.pool.n, stepper.shares)
    finally:
        tracemalloc.stop()
        stepper.close()


def dry_run(config: TrainConfig) -> str:
    """The run in numbers: parameters, memory, FLOPs per step, expected time."""
    plan = make_plan(config)
    measured = measure(plan)
    tokens = tokens_per_step(config)
    size = plan.parameters * np.dtype(config.dtype).itemsize
    fixed = size * (3 + measured.gradients)
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
        "memory": f"{_megabytes(fixed)} for weights, {measured.gradients} gradient"
        f"{'s' * (measured.gradients != 1)} and AdamW's two averages"
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
    begin = f"This run is called {config.run_name!r}. Nothing has been trained or written yet."
    end = "--dry-run measures how long it will take. Without --explain, it begins."
    sections = {
        "THE TEXT": _the_text(plan),
        "THE MODEL": _the_model(plan),
        "ONE STEP": _one_step(plan),
        "THE LEARNING RATE": _the_learning_rate(plan),
    }
    parts = [f"{title}\n{textwrap.fill(text, WIDTH)}" for title, text in sections.items()]
    meanings = "\n".join(
        textwrap.fill(text, WIDTH, initial_indent=f"{name:10}", subsequent_indent=" " * 10)
        for name, text in _the_numbers(plan).items()
    )
    parts.append(f"WHAT THE NUMBERS ON THE SCREEN MEAN\n{meanings}")
    parts.append(f"WHAT YOU WILL FIND\n{textwrap.fill(_the_files(config), WIDTH)}")
    return "\n\n".join([begin, *parts, end])


def _the_text(plan: Plan) -> str:
    text = plan.text
    doubts = doubt(plan.config, text)
    return (
        f"The text is {text.name!r}. The {text.tokenizer.name} tokenizer turns it into "
        f"{len(text.train) + len(text.val):,} tokens, each one of {plan.model.vocab_size:,} ids. "
        f"The model learns from {len(text.train):,} of them; {len(text.val):,} are held out, to "
        "see whether it has learnt the language or only the text by heart."
        + (f" Beware: {doubts}." if doubts else "")
    )


def _the_model(plan: Plan) -> str:
    model, begin = plan.model, "at random"
    if plan.config.init_from is not None:
        begin = f"as {plan.config.init_from} has them, whose shape and tokenizer are kept"
    dropped = (
        f" While training, {model.dropout:.0%} of the activations are dropped at random, so that "
        "no part relies on one other."
    )
    return (
        f"It is a GPT of {_plural(model.n_layer, 'block')}. Every position carries a vector of "
        f"{model.n_embd} numbers. In each block, attention ({_plural(model.n_head, 'head')} of "
        f"{model.n_embd // model.n_head} channels) lets a position look back at up to "
        f"{model.block_size} tokens, and a small network of {4 * model.n_embd} hidden units works "
        f"on what was found. Altogether {plan.parameters:,} numbers, the parameters, are learnt; "
        f"they begin {begin}." + (dropped if model.dropout else "")
    )


def _one_step(plan: Plan) -> str:
    config, tokens = plan.config, tokens_per_step(plan.config)
    return (
        f"A step takes {config.batch_size * config.accumulate} random windows of "
        f"{config.block_size} tokens ({tokens:,} tokens). At every position the model predicts "
        "the next token; the loss is the mean of -ln(probability that it gave to the right one). "
        "The backward pass then finds how the loss changes with each parameter (the gradient; "
        f"both passes are about {plan.flops / 1e9:.2f} billion multiplications and additions a "
        "step), and the optimiser, AdamW, moves each parameter a little downhill. There will be "
        f"{_plural(plan.steps, 'step')}: "
        f"{plan.steps * tokens:,} tokens, {plan.steps * tokens / len(plan.text.train):.2f} times "
        "the text."
    )


def _the_learning_rate(plan: Plan) -> str:
    config = plan.config
    clip = (
        f"A gradient longer than {config.clip:g} (all parameters taken as one vector) is shortened "
        "to that, so that no odd batch can wreck the model."
        if config.clip
        else "Gradients are used as they come, without clipping."
    )
    return (
        f"How far a step goes: it rises to {config.lr:g} over the first "
        f"{min(config.warmup, plan.steps)} steps, because early gradients are wild, then falls "
        f"along a cosine to {config.min_lr:g}, to settle. {clip}"
    )


def _the_numbers(plan: Plan) -> dict[str, str]:
    """What each number of the progress line means."""
    config, V = plan.config, plan.model.vocab_size
    first = f"about {math.log(V):.2f} = ln {V}: every token is as likely as any other"
    if config.init_from is not None:
        first = f"what {config.init_from} makes of this text before it has learnt from it"
    meanings = {
        "loss": f"At the first step {first}. exp(loss) is how many tokens the model wavers "
        f"between: {V} if it knew nothing, {math.exp(1.5):.1f} at a loss of 1.50. It jumps about: "
        "each step sees other windows.",
        "val": f"The same on all of the held-out text, every {config.eval_every} steps and at the "
        "end. This is the number that counts. If it rises while the loss still falls, the model "
        "is learning by heart: stop, use more text, a smaller model, or --dropout 0.1.",
        "tokens/s": "How many tokens are learnt from in a second.",
        "ETA": "The time left.",
    }
    if config.sample_every:
        meanings["says"] = (
            f"Text from the model, every {config.sample_every} steps and at the end: noise at "
            "first, then letters, words, sentences."
        )
    return meanings


def _the_files(config: TrainConfig) -> str:
    return (
        f"In checkpoints/{config.run_name}/: best.h5 (lowest val), latest.h5 (to go on from), "
        "final.h5, config.toml (these settings), log.jsonl (the numbers), loss.png (their "
        f"picture). Ctrl-C saves and leaves; --run-name {config.run_name} --resume goes on as if "
        "nothing had happened."
    )


def _plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"
