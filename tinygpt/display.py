"""How a sample is shown as it comes: plain or with probabilities, and how fast it came."""

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

from tinygpt.commands import on_colour
from tinygpt.decoding import AnySample
from tinygpt.generation import Generation
from tinygpt.speculative import Speculation
from tinygpt.threads import peak_memory

_BOUNDS = (0.05, 0.2, 0.5, 0.8)
_GROUNDS = (217, 223, 229, 193, 157)  # of xterm's 256, for black letters: pale red to pale green

Paint = Callable[[str, float], str]


def show(
    sample: Generation,
    pieces: Iterable[str],
    out: TextIO,
    *,
    stream: bool = True,
    paint: Paint | None = None,
) -> None:
    """Write a sample's pieces as they come (or all at the end), painted, and one newline.

    Ctrl-C leaves what was said, and goes on up.
    """
    shown = 0

    def write_new() -> None:
        nonlocal shown
        begin, shown = shown, len(sample.text)
        out.write(sample.text[begin:] if paint is None else painted(sample, begin, paint))

    try:
        out.flush()
        for _ in pieces:
            if stream:
                write_new()
                out.flush()
    finally:
        write_new()
        out.write("\n")
        out.flush()


def painted(sample: Generation, begin: int, paint: Paint) -> str:
    """The sample's text from character `begin` on, token by token. A character of several tokens
    counts to the one that completes it."""
    result = ""
    first = bisect_right(sample.ends, begin)  # the token that character `begin` is of
    for end, log_prob in zip(sample.ends[first:], sample.logprobs[first:], strict=True):
        if text := sample.text[begin:end]:
            result += paint(text, math.exp(log_prob.chosen))
            begin += len(text)
    return result


def coloured(text: str, prob: float) -> str:
    """A token on a ground that says how likely it was."""
    return on_colour(text, _GROUNDS[bisect_right(_BOUNDS, prob)])


def listed(text: str, prob: float) -> str:
    """A token on a line of its own, where there are no colours.

    >>> listed("a\\n", 0.875)
    "0.875  'a\\\\n'\\n"
    """
    return f"{prob:.3f}  {text!r}\n"


def legend() -> str:
    """What the colours of `coloured` mean."""
    return "".join(coloured(f" from {p:g} ", p) for p in (0, *_BOUNDS))


class Stats:
    """Counts and times what passes through `timed`.

    The time of the prompt ends with the first token; what waits for its turn in a batch, and so is
    read later, counts into the time of generation.
    """

    def __init__(self, prompt_tokens: int, guessing: Speculation | None = None) -> None:
        self._prompt_tokens = prompt_tokens
        self._guessing = guessing
        self._generated = 0
        self._begin = self._first = self._last = time.perf_counter()

    def timed(self, steps: Iterator[AnySample]) -> Iterator[AnySample]:
        """The same steps."""
        self._begin = time.perf_counter()
        for sample in steps:
            self._last = time.perf_counter()
            if self._generated == 0:
                self._first = self._last
            self._generated += 1
            yield sample

    def line(self) -> str:
        """Tokens, seconds, tokens per second of both parts, how guesses fared, and the process's
        peak memory."""
        parts = [
            _speed("prompt", self._prompt_tokens, self._first - self._begin),
            _speed("generation", max(0, self._generated - 1), self._last - self._first),
        ]
        if self._guessing is not None:
            parts.append(self._guessing.summary())
        if (peak := peak_memory()) is not None:
            parts.append(f"peak memory {peak / 2**20:,.0f} MB")
        return "; ".join(parts) + "\n"


def _speed(what: str, tokens: int, seconds: float) -> str:
    rate = f" ({tokens / seconds:,.1f} tokens/s)" if seconds > 0 else ""
    return f"{what}: {tokens:,} tokens in {seconds:.2f} s{rate}"
