"""Text from a model: as it comes, in one piece, or many at a time.

`Generation` turns the ids of one sample into text as they are drawn; the functions below it are
its faces: `stream_text`, `generate_text`, `generate_batch`.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygpt.config import SamplingConfig
from tinygpt.decoding import FinishReason, Sample, draw_together
from tinygpt.errors import ConfigError, VocabularyError
from tinygpt.model import GPT
from tinygpt.speculative import Speculation, make_speculation
from tinygpt.tokenizers import TextStream, Tokenizer


class StopStrings:
    """Passes text on until a stop string is complete, holding back whatever may begin one.

    The stop string that is complete first ends the text (of several, the longest), however the
    text was cut into pieces.

    >>> stop = StopStrings(["END"])
    >>> stop.push("a E"), stop.push("N"), stop.push("Dx"), stop.found
    ('a ', '', '', True)
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self.found = False
        self._strings = strings
        self._held = ""

    def push(self, piece: str) -> str:
        """Return the text that is now certain to be shown."""
        text = self._held + piece
        places = [(text.find(s) + len(s), text.find(s)) for s in self._strings if s in text]
        self.found = bool(places)
        shown = min(places)[1] if places else len(text) - self._maybe(text)
        self._held = "" if self.found else text[shown:]
        return text[:shown]

    def finish(self) -> str:
        """Return what was still held back: no stop string came of it."""
        held, self._held = self._held, ""
        return held

    def _maybe(self, text: str) -> int:
        """Length of the longest end of `text` that begins a stop string."""
        return max(
            (n for s in self._strings for n in range(len(s)) if text.endswith(s[:n])), default=0
        )


class Generation(Sample):
    """One sample in the making, as text: iterate for its pieces as they come.

    Besides what a Sample has (its ids include those of a stop string):
    prompt         the text that it continues, or None
    prompt_ids     what generation begins from: the prompt's ids, unless they are given instead
    text           certain so far, and so shown: whole characters, no beginning of a stop string
    ends           for each of ids, how many characters of text there are with it, shown or not
    finish_reason  "stop" after a stop string too
    seed           sample i of every prompt draws from default_rng([seed, i])
    """

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        prompt: str | None,
        sampling: SamplingConfig,
        *,
        seed: int,
        sample: int = 0,
        prompt_ids: Sequence[int] | None = None,
    ) -> None:
        super().__init__(
            model.config,
            encode_prompt(tokenizer, prompt) if prompt_ids is None else prompt_ids,
            sampling,
            np.random.default_rng([_checked_seed(seed), sample]),
            stop_ids=_ending_ids(tokenizer, sampling, model.config.vocab_size),
        )
        self.prompt = prompt
        self.text = ""
        self.ends: list[int] = []
        self.seed = seed
        self._model = model
        self._stream = TextStream(tokenizer)
        self._stop = StopStrings(sampling.stop)

    def __iter__(self) -> Iterator[str]:
        return pieces(self, draw_together(self._model, [self]))

    def say(self, token: int) -> None:
        """Add a token to ids and what it makes certain to the text."""
        super().say(token)
        piece = self._stream.push(token)
        self.ends.append((self.ends or [0])[-1] + len(piece))
        self.text += self._stop.push(piece)
        if self._stop.found:
            super().finish("stop")

    def finish(self, reason: FinishReason) -> None:
        """End the text, once; what was held back is certain now."""
        if self.finish_reason is None:
            tail = self._stream.finish()
            if tail:  # bytes that never made a character: of the last token
                self.ends[-1] += len(tail)
            self.text += self._stop.push(tail)
            super().finish("stop" if self._stop.found else reason)
            self.text += self._stop.finish()


def pieces(sample: Generation, steps: Iterator[Sample]) -> Iterator[str]:
    """The text of `sample` as it comes, while `steps` draws for it and perhaps for others."""
    shown, more = 0, True
    while more:
        more = sample.finish_reason is None and next(steps, None) is not None
        if new := sample.text[shown:]:
            shown += len(new)
            yield new


def encode_prompt(tokenizer: Tokenizer, prompt: str | None) -> list[int]:
    """The ids that generation begins with. Without a prompt: end-of-text, or with a tokenizer
    that has none a newline, else id 0. Raises ConfigError when the prompt is empty or no text."""
    if prompt is not None:
        if not isinstance(prompt, str):
            raise ConfigError(
                f"the prompt is {prompt!r:.40}; give a text, or None to let the model begin by "
                "itself"
            )
        if not prompt:
            raise ConfigError(
                "the prompt is empty; give at least one character, or no prompt at all to let "
                "the model begin by itself"
            )
        return tokenizer.encode(prompt)
    if tokenizer.eot_id is not None:
        return [tokenizer.eot_id]
    try:
        return tokenizer.encode("\n")
    except VocabularyError:
        return [0]


def _ending_ids(tokenizer: Tokenizer, sampling: SamplingConfig, vocab_size: int) -> set[int]:
    """The stop ids, eos_id where one is named, and end-of-text unless eos_id is -1."""
    named = [("a stop id", i) for i in sampling.stop_ids]
    if sampling.eos_id is not None and sampling.eos_id != -1:
        named.append(("eos_id", sampling.eos_id))
    for name, i in named:
        if not 0 <= i < vocab_size:
            raise VocabularyError(
                f"{name} is {i} and the model knows the token ids 0 to {vocab_size - 1}; "
                "choose one of those"
            )
    ids = {i for _, i in named}
    if sampling.eos_id != -1 and tokenizer.eot_id is not None:
        ids.add(tokenizer.eot_id)
    return ids


def fresh_seed() -> int:
    """A seed that nobody chose, short enough to type again."""
    return secrets.randbelow(2**31)


def _checked_seed(seed: int) -> int:
    if type(seed) is not int or seed < 0:
        raise ConfigError(f"seed is {seed!r:.40}; it must be a whole number of at least 0")
    return seed


def _sampling(settings: dict[str, Any]) -> SamplingConfig:
    """SamplingConfig is hashable; here lists will do."""
    lists = {name: tuple(v) for name, v in settings.items() if isinstance(v, list)}
    return SamplingConfig(**{**settings, **lists})


OnToken = Callable[[Generation], object]


def draw_texts(
    model: GPT,
    samples: Sequence[Generation],
    *,
    guessing: Speculation | None = None,
    on_token: OnToken | None = None,
    batch_size: int = 1,
) -> Iterator[Generation]:
    """Continue the samples, `batch_size` side by side, or one after another with guesses; yield
    a sample each time it has a new token, after `on_token`."""
    if guessing is None:
        steps = draw_together(model, samples, batch_size=batch_size)
    else:
        steps = guessing.draw(samples)
    for sample in steps:
        if on_token is not None:
            on_token(sample)
        yield sample


def stream_text(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | None = None,
    *,
    seed: int | None = None,
    draft: GPT | None = None,
    lookup: int | None = None,
    draft_tokens: int = 4,
    on_token: OnToken | None = None,
    **settings: Any,
) -> Iterator[str]:
    """The continuation of `prompt`, piece by piece; only whole characters are shown.

    `settings` are the fields of SamplingConfig; without a seed a fresh one is drawn. `on_token`
    is called with the Generation after each token: it may look at `ids[-1]`, `logprobs[-1]` or
    `text`, and end the text with `finish("cancelled")`. Raises ConfigError for settings that
    cannot be and VocabularyError for ids that the model does not know, before the first piece.

    With `draft`, a smaller model of the same vocabulary, or `lookup`, the length of the n-grams
    to find in the text so far, up to `draft_tokens` tokens are guessed and checked in one pass
    (see speculative.py). That is faster where the guesses are good. The text is distributed as
    without; at temperature 0 it is the same (in float32, but for ties within rounding), otherwise
    another for the same seed.
    """
    seed = fresh_seed() if seed is None else seed
    guessing = make_speculation(model, draft=draft, lookup=lookup, draft_tokens=draft_tokens)
    sample = Generation(model, tokenizer, prompt, _sampling(settings), seed=seed)
    return pieces(sample, draw_texts(model, [sample], guessing=guessing, on_token=on_token))


def generate_text(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | None = None,
    **options: Any,
) -> str:
    """The continuation of `prompt` in one piece: exactly what `stream_text` yields, joined; its
    options are those of `stream_text`."""
    return "".join(stream_text(model, tokenizer, prompt, **options))


def generate_batch(
    model: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[str | None],
    *,
    seed: int | None = None,
    num_samples: int = 1,
    batch_size: int = 32,
    draft: GPT | None = None,
    lookup: int | None = None,
    draft_tokens: int = 4,
    on_token: OnToken | None = None,
    **settings: Any,
) -> list[str]:
    """The continuations of each prompt: `num_samples` of the first, then of the second, ….

    Up to `batch_size` texts are drawn side by side; each is what it would be alone (in float32,
    but for the last bits of its probabilities). The first sample of a prompt is what
    `generate_text` gives with this seed. With `draft` or `lookup` they are drawn one after another.
    Raises ConfigError and VocabularyError as `stream_text` does, before the first token.
    """
    if isinstance(prompts, str):  # it would pass for a list of one-letter prompts
        raise ConfigError("prompts is one text; give a list of texts, or call generate_text")
    if not isinstance(prompts, Sequence):
        raise ConfigError(f"prompts is {prompts!r:.40}; give a list of texts")
    for name, value in (("num_samples", num_samples), ("batch_size", batch_size)):
        if type(value) is not int or value < 1:
            raise ConfigError(f"{name} is {value!r:.40}; it must be a whole number of at least 1")
    seed, sampling = fresh_seed() if seed is None else seed, _sampling(settings)
    guessing = make_speculation(model, draft=draft, lookup=lookup, draft_tokens=draft_tokens)
    samples = [
        Generation(model, tokenizer, prompt, sampling, seed=seed, sample=i)
        for prompt in prompts
        for i in range(num_samples)
    ]
    for _ in draw_texts(
        model, samples, guessing=guessing, on_token=on_token, batch_size=batch_size
    ):
        pass
    return [sample.text for sample in samples]
