"""What guessing ahead gains: the cost of a pass over several tokens, and tokens per second.

    python benchmarks/speculate.py [--rounds N]
    python benchmarks/speculate.py --lookup N [--checkpoint PATH] [--text FILE] [--rounds N]

The first times GPT-2 124M's shape with random weights, float32, after 128 tokens: one pass over
1 to 8 tokens, with the weights as they are trained and as `tinygpt.panels` lays them out (the same
where panels do not pay); then texts by a guesser that is right so often that a pass says a set
number of tokens on average, against plain decoding. The second times prompt lookup with a real
checkpoint on a text that repeats itself: by default the shipped one, which continues the first half
of a tale, where names and things come back. Contenders take turns; each one's best round counts.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from tinygpt import tales
from tinygpt.checkpoint import find_checkpoint, load_model
from tinygpt.config import ModelConfig, SamplingConfig
from tinygpt.decoding import Sample, draw_together
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT
from tinygpt.panels import in_panels
from tinygpt.probe import gflops
from tinygpt.speculative import Guess, PromptLookup, Speculation
from tinygpt.threads import default_workers, keep_freed_memory

GPT2 = ModelConfig(vocab_size=50257, block_size=1024, n_layer=12, n_head=12, n_embd=768)
CONTEXT, NEW = 128, 64
# tokens per pass, and guesses checked at a time: as few as can be, then the default
GOALS = [(1.5, 1), (2, 1), (2.5, 2), (3, 2), (4, 3), (5, 4), (6, 5), (7, 6), (8, 7)]
GOALS += [(1, 4), (1.5, 4), (2, 4), (2.5, 4), (3, 4), (4, 4)]
Contender = Callable[[], float]  # seconds of one round


class Rehearsed:
    """Knows the text. Of its guesses so many are right that a pass says `goal` tokens on average;
    the first wrong one is off by one, and so are those after it."""

    def __init__(self, known: list[int], goal: float, vocab_size: int) -> None:
        self._known, self._goal, self._vocab_size = known, goal, vocab_size
        self._passes = 0

    def guess(self, sample: Sample, most: int) -> list[Guess]:
        self._passes += 1
        due = self._goal * self._passes  # tokens that all passes so far should say
        right = math.floor(due) - math.floor(due - self._goal) - 1
        begin = len(sample.known)
        guesses = []
        for i, token in enumerate(self._known[begin : begin + most]):
            guess = token if i < right else (token + 1) % self._vocab_size
            probs = np.zeros(self._vocab_size)
            probs[guess] = 1.0
            guesses.append(Guess(guess, probs))
        return guesses


def take_turns(contenders: dict[str, Contender], rounds: int) -> dict[str, float]:
    """Name -> the best round's seconds."""
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, run in contenders.items():
            best[name] = min(best[name], run())
    return best


def one_pass(model: GPT, tokens: int) -> Contender:
    """The time of one pass over `tokens` tokens after CONTEXT others."""
    kv = KVCache(model.config, dtype=model.dtype)
    ids = np.arange(tokens)[None]

    def run() -> float:
        kv.lengths[:] = CONTEXT
        began = time.perf_counter()
        model.forward(ids, kv=kv, last=tokens)
        return time.perf_counter() - began

    return run


def new_sample(model: GPT, prompt: list[int], sampling: SamplingConfig) -> Sample:
    return Sample(model.config, prompt, sampling, np.random.default_rng(0))


def seconds_per_token(steps: Iterator[Sample]) -> float:
    began = time.perf_counter()
    tokens = sum(1 for _ in steps)
    return (time.perf_counter() - began) / tokens


def plainly(model: GPT, prompt: list[int], sampling: SamplingConfig) -> Contender:
    """The time of a token after the first, which waits for the prompt to be read."""

    def run() -> float:
        steps = draw_together(model, [new_sample(model, prompt, sampling)])
        next(steps)
        return seconds_per_token(steps)

    return run


def with_all_threads(contender: Contender) -> Contender:
    """BLAS with its own threads, as it is outside panels."""

    def run() -> float:
        with threadpool_limits(default_workers(), "blas"):
            return contender()

    return run


def guessing_ahead(
    guessing: Speculation, model: GPT, prompt: list[int], sampling: SamplingConfig
) -> Contender:
    """A pass says several tokens at once, so all are timed, the prompt already read."""
    once = SamplingConfig(max_new_tokens=1)

    def run() -> float:
        list(guessing.draw([new_sample(model, prompt, once)]))
        guessing.passes = guessing.tokens = guessing.guessed = guessing.accepted = 0
        return seconds_per_token(guessing.draw([new_sample(model, prompt, sampling)]))

    return run


def by_goal(config: ModelConfig, rounds: int) -> Iterator[str]:
    """The tables of passes and of goals, line by line."""
    model = GPT(config)
    passes = range(1, 9)
    plain = take_turns({str(n): one_pass(model, n) for n in passes}, 3 * rounds)
    with in_panels(GPT(config)) as packed:
        panels = take_turns({str(n): one_pass(packed, n) for n in passes}, 3 * rounds)
    yield "| tokens in a pass | ms | ms in panels | panels over one token as it is |"
    yield "|---|---|---|---|"
    for name, seconds in panels.items():
        over = seconds / plain["1"]
        yield f"| {name} | {1e3 * plain[name]:.1f} | {1e3 * seconds:.1f} | {over:.2f} |"

    sampling = SamplingConfig(max_new_tokens=NEW, temperature=0)
    prompt = np.random.default_rng(0).integers(0, config.vocab_size, CONTEXT).tolist()
    whole = new_sample(model, prompt, sampling)
    list(draw_together(model, [whole]))
    known, V = whole.known, config.vocab_size
    told: dict[str, Speculation] = {}
    with in_panels(GPT(config)) as packed:
        contenders = {"plain": with_all_threads(plainly(model, prompt, sampling))}
        for goal, guesses in GOALS:
            name = f"{goal:g} | {guesses}"
            told[name] = Speculation(
                packed, lambda goal=goal: Rehearsed(known, goal, V), draft_tokens=guesses
            )
            contenders[name] = guessing_ahead(told[name], packed, prompt, sampling)
        best = take_turns(contenders, rounds)
    yield f"\nplain decoding: {1e3 * best['plain']:.1f} ms a token\n"
    yield "| tokens per pass, as set | guesses a pass | as counted | ms a token | speed-up |"
    yield "|---|---|---|---|---|"
    for name, guessing in told.items():
        counted = guessing.tokens / guessing.passes
        speed_up = best["plain"] / best[name]
        yield f"| {name} | {counted:.2f} | {1e3 * best[name]:.1f} | {speed_up:.2f} |"


def by_lookup(path: str | None, text: str, n: int, rounds: int) -> Iterator[str]:
    """The table of prompt lookup, line by line. All stays within the model's window."""
    model, tokenizer = load_model(find_checkpoint(path))
    half = model.config.block_size // 2
    begin = [] if tokenizer.eot_id is None else [tokenizer.eot_id]
    prompt = [*begin, *tokenizer.encode(text)][:half]
    yield "| temperature | guesses a pass | tokens per pass | accepted | ms a token | speed-up |"
    yield "|---|---|---|---|---|---|"
    for temperature in (0, 0.8):
        sampling = SamplingConfig(max_new_tokens=half, temperature=temperature)
        contenders, told = {"plain": plainly(model, prompt, sampling)}, {}
        for guesses in (2, 4, 7):
            name = f"{temperature:g} | {guesses}"
            told[name] = Speculation(
                model, lambda: PromptLookup(n, model.config.vocab_size), draft_tokens=guesses
            )
            contenders[name] = guessing_ahead(told[name], model, prompt, sampling)
        best = take_turns(contenders, rounds)
        for name, guessing in told.items():
            yield (
                f"| {name} | {guessing.tokens / guessing.passes:.2f} "
                f"| {guessing.accepted / max(1, guessing.guessed):.0%} "
                f"| {1e3 * best[name]:.2f} | {best['plain'] / best[name]:.2f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--lookup", type=int, metavar="N", help="time prompt lookup instead")
    parser.add_argument("--checkpoint", metavar="PATH", help="the model for --lookup")
    parser.add_argument("--text", metavar="FILE", help="what it continues")
    args = parser.parse_args()
    keep_freed_memory()
    if args.lookup is None:
        lines = by_goal(GPT2, args.rounds)
    else:
        text = tales.generate(np.random.default_rng(0))
        if args.text is not None:
            text = Path(args.text).read_text("utf-8")
        lines = by_lookup(args.checkpoint, text, args.lookup, args.rounds)
    sys.stdout.write(f"{gflops():.0f} GFLOP/s before\n\n")
    for line in lines:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    sys.stdout.write(f"\n{gflops():.0f} GFLOP/s after\n")


if __name__ == "__main__":
    main()
