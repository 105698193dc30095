"""Several tokens for one pass: guess what comes next, and let the model check all guesses at once.

Reading one token costs a pass over all weights, and reading five need not cost five times that
(benchmarks/speculate.py measures it). A cheap guesser, a smaller model or a look at what stood in
the text before, proposes tokens; the model reads them in one pass and keeps those that it might
have drawn itself. The rule by which it keeps them leaves its distribution exactly as it was
(Leviathan et al. 2023; Chen et al. 2023).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from tinygpt.backend import Array
from tinygpt.decoding import AnySample, Sample, default_hop, next_logits, window_start
from tinygpt.errors import ConfigError, VocabularyError
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT
from tinygpt.sampling import draw


def accept_or_resample(
    p: Array, q: Array, guess: int, rng: np.random.Generator
) -> tuple[int, bool]:
    """Turn a guess drawn from q (V,) into a token distributed as p (V,); was the guess kept?

    Kept with probability min(1, p/q), else drawn anew where p is above q, in proportion to
    p - q. Every token so gets min(p, q) from guesses and max(0, p - q) from new draws: p in all
    (Leviathan et al. 2023, appendix A.1).

    >>> p, q, rng = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6]), np.random.default_rng(0)
    >>> accept_or_resample(p, q, 0, rng)  # p/q = 2.5: always kept
    (0, True)
    >>> tokens = [accept_or_resample(p, q, 2, rng)[0] for _ in range(4000)]
    >>> (np.bincount(tokens) / 4000).round(1).tolist()  # kept in 1 of 3, else 0 or 1, as 0.3 : 0.1
    [0.5, 0.2, 0.3]
    """
    if rng.random() * q[guess] < p[guess]:
        return guess, True
    rest = np.maximum(p - q, 0.0)
    # subtle: without a rest p and q are equal but for rounding, and p itself is right
    return draw(rest if rest.any() else p, rng.random()), False


class Guess(NamedTuple):
    """A token, and the distribution (V,) that it was drawn from."""

    token: int
    probs: Array


class Guesser(Protocol):
    """Guesses how one text goes on."""

    def guess(self, sample: Sample, most: int) -> list[Guess]:
        """Up to `most` tokens that may follow the sample's known ids."""


class CachedReader:
    """A model that reads texts of which each begins like the one before: only what is new is
    computed."""

    def __init__(self, model: GPT) -> None:
        self._model = model
        self._kv = KVCache(model.config, xp=model.xp, dtype=model.dtype)
        self._read: list[int] = []

    def logits(self, ids: list[int], last: int = 1) -> Array:
        """What follows each of the `last` last ids, (last, V), on the host."""
        kept, most = 0, min(len(self._read), len(ids) - last)
        while kept < most and self._read[kept] == ids[kept]:
            kept += 1
        self._kv.lengths[0] = kept  # forgets refused guesses; all of it once the window has moved
        self._read = ids[:kept]  # should Ctrl-C come meanwhile
        rows: Array = next_logits(self._model, np.array([ids[kept:]]), self._kv, last)[0]
        self._read = ids
        return rows


class DraftModel:
    """Guesses what a smaller model would say, with the sample's own penalties and filters."""

    def __init__(self, draft: GPT) -> None:
        self._block_size = draft.config.block_size
        self._reader = CachedReader(draft)

    def guess(self, sample: Sample, most: int) -> list[Guess]:
        """Exactly `most` tokens, each drawn given those before it."""
        guesses: list[Guess] = []
        text = [*sample.known]
        for _ in range(most):
            # the draft's window is its own: a guess may come from anywhere, if only its
            # distribution is told
            start = window_start(len(text), self._block_size, default_hop(self._block_size))
            logits = self._reader.logits(text[start:])[0]
            probs = sample.probs(logits, [token for token, _ in guesses])
            guesses.append(Guess(draw(probs, sample.rng.random()), probs))
            text.append(guesses[-1].token)
        return guesses


class PromptLookup:
    """Guesses that the text repeats itself: when its last n tokens stood there before, then what
    followed them the last time. The guess is certain, so its distribution is all on one token."""

    def __init__(self, n: int, vocab_size: int) -> None:
        self._n, self._vocab_size = n, vocab_size
        self._after: dict[tuple[int, ...], int] = {}  # n-gram -> where its last occurrence ends
        self._end = n  # of the next n-gram to be entered

    def guess(self, sample: Sample, most: int) -> list[Guess]:
        """`most` tokens, or none where the last n tokens are new."""
        return [Guess(token, self._certain(token)) for token in self.tokens(sample.known, most)]

    def tokens(self, known: Sequence[int], most: int) -> list[int]:
        """What is guessed to follow `known`, which only ever grows.

        >>> PromptLookup(2, vocab_size=10).tokens([1, 2, 3, 4, 1, 2], most=3)
        [3, 4, 1]
        >>> PromptLookup(2, vocab_size=10).tokens([5, 7, 7, 7], most=3)  # goes on into itself
        [7, 7, 7]
        """
        for end in range(self._end, len(known)):  # the last n-gram has no token after it yet
            self._after[tuple(known[end - self._n : end])] = end
        self._end = max(self._end, len(known))
        place = self._after.get(tuple(known[-self._n :]))
        if place is None:
            return []
        copied: list[int] = []
        for i in range(place, place + most):
            copied.append(known[i] if i < len(known) else copied[i - len(known)])
        return copied

    def _certain(self, token: int) -> Array:
        probs = np.zeros(self._vocab_size)
        probs[token] = 1.0
        return probs


class Speculation:
    """Draws texts by guessing ahead, and counts how the guesses fare.

    passes    of the model
    tokens    that came of them
    guessed   tokens that were checked, and `accepted` of them

    `new_guesser` makes a guesser for each text. Raises ConfigError for draft_tokens below 1.
    """

    def __init__(
        self, model: GPT, new_guesser: Callable[[], Guesser], *, draft_tokens: int = 4
    ) -> None:
        if draft_tokens < 1:
            raise ConfigError(f"draft_tokens is {draft_tokens}; it must be at least 1")
        self.passes = self.tokens = self.guessed = self.accepted = 0
        self._block_size = model.config.block_size
        self._reader = CachedReader(model)  # a prompt that comes again is not read again
        self._new_guesser, self._most = new_guesser, draft_tokens

    def draw(self, samples: Iterable[AnySample]) -> Iterator[AnySample]:
        """Continue the samples, one after another; yield a sample each time it has a new token.

        Each is distributed as `draw_together` would have it, and at temperature 0 the same (in
        float32, but for ties within rounding).
        """
        for sample in samples:
            guesser = self._new_guesser()
            while sample.finish_reason is None:
                for _ in self._one_pass(sample, guesser):
                    self.tokens += 1
                    yield sample

    def _one_pass(self, sample: Sample, guesser: Guesser) -> Iterator[None]:
        """Guess, check all guesses in one pass, and say what comes of them, token by token."""
        window = sample.window()
        most = min(
            self._most,
            # subtle: after so many guesses the window is full, and for the token after those
            # it does not move yet. So each is checked in the window it would be drawn in
            self._block_size - len(window),
            sample.sampling.max_new_tokens - len(sample.ids) - 1,  # a pass says one more
        )
        guesses = guesser.guess(sample, most)
        logits = self._reader.logits(
            [*window, *(guess.token for guess in guesses)], len(guesses) + 1
        )
        self.passes += 1
        self.guessed += len(guesses)
        for row, guess in zip(logits, guesses, strict=False):  # the last row is for no guess
            probs = sample.probs(row)  # of the text with the guesses accepted so far
            token, accepted = accept_or_resample(probs, guess.probs, guess.token, sample.rng)
            self.accepted += accepted
            if sample.add(token, row):
                yield
            if not accepted or sample.finish_reason is not None:
                return
        if sample.take(logits[-1]):
            yield

    def summary(self) -> str:
        """How well it went, in words."""
        per_pass = self.tokens / max(1, self.passes)
        share = self.accepted / max(1, self.guessed)
        return f"{per_pass:.1f} tokens per pass, {share:.0%} of guesses accepted"


def make_speculation(
    model: GPT, *, draft: GPT | None = None, lookup: int | None = None, draft_tokens: int = 4
) -> Speculation | None:
    """Guesses by a draft model or by lookup of n-grams; None where neither is asked for.

    Raises ConfigError for settings that cannot be and VocabularyError for a draft that knows
    other ids than the model.
    """
    if draft is not None and lookup is not None:
        raise ConfigError("both a draft model and lookup are given; guesses come from one of them")
    for name, value in (("lookup", lookup), ("draft_tokens", draft_tokens)):
        if value is not None and (type(value) is not int or value < 1):
            raise ConfigError(f"{name} is {value!r:.40}; it must be a whole number of at least 1")
    vocab_size = model.config.vocab_size
    if draft is not None:
        if not isinstance(draft, GPT):
            raise ConfigError(f"draft is {draft!r:.40}; give a model, as load_model returns it")
        if draft.config.vocab_size != vocab_size:
            raise VocabularyError(
                f"the draft model knows {draft.config.vocab_size} token ids and the model "
                f"{vocab_size}; use a draft that was trained with the model's tokenizer"
            )
        drafter = DraftModel(draft)
        return Speculation(model, lambda: drafter, draft_tokens=draft_tokens)
    if lookup is not None:
        return Speculation(
            model, lambda: PromptLookup(lookup, vocab_size), draft_tokens=draft_tokens
        )
    return None
