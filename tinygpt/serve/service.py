"""What every endpoint needs: the model, the engine, and how a request becomes samples."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from tinygpt.config import SamplingConfig
from tinygpt.errors import VocabularyError
from tinygpt.generation import Generation, encode_prompt, fresh_seed
from tinygpt.model import GPT
from tinygpt.serve.engine import Engine, Job, Progress, ServerClosing
from tinygpt.serve.errors import ApiError
from tinygpt.serve.metrics import Metrics
from tinygpt.serve.settings import Settings
from tinygpt.tokenizers import Tokenizer

LONG = 10_000  # characters that take so long to encode that the event loop should not wait
EVENTS_PER_SECOND = 1_000  # that all streams together are sent; news of tokens gather meanwhile
SHORTEST_PAUSE = 0.004  # seconds between two events of a stream, too short for the eye


class Service:
    """One model, as all requests share it."""

    def __init__(
        self, settings: Settings, model: GPT, tokenizer: Tokenizer, name: str, engine: Engine
    ) -> None:
        self.settings, self.model, self.tokenizer, self.name = settings, model, tokenizer, name
        self.engine = engine
        self.metrics = Metrics(engine)
        self.created = int(time.time())
        self._open = 0  # jobs that somebody reads

    @property
    def context(self) -> int:
        """How many tokens the model sees at once."""
        return self.model.config.block_size

    def check_name(self, name: str | None) -> None:
        """Raise ApiError (404) for a model that is not the one served."""
        if name is not None and name != self.name:
            raise ApiError(
                404,
                f"there is no model {name!r:.80} here; ask for {self.name!r}, or leave it out",
                code="model_not_found",
                param="model",
            )

    async def encode(
        self, prompt: str | Sequence[int] | None, *, param: str = "prompt"
    ) -> list[int]:
        """A prompt's ids; None is how the model begins by itself. Raises ApiError (400)."""
        try:
            if prompt is None or isinstance(prompt, str):
                if len(prompt or "") > LONG:
                    ids = await asyncio.to_thread(encode_prompt, self.tokenizer, prompt)
                else:
                    ids = encode_prompt(self.tokenizer, prompt)
            else:
                ids = [*prompt]
        except VocabularyError as error:
            raise ApiError(400, str(error), code="invalid_value", param=param) from None
        most = self.settings.max_prompt_tokens
        if len(ids) > most:
            raise ApiError(
                400,
                f"{param} has {len(ids)} tokens and this server takes {most}; shorten it",
                code="prompt_too_long",
                param=param,
            )
        known = self.model.config.vocab_size
        if (unknown := next((i for i in ids if i >= known), None)) is not None:
            raise ApiError(
                400,
                f"{param} has the token id {unknown} and the model knows 0 to {known - 1}",
                code="invalid_value",
                param=param,
            )
        return ids

    def check_context(self, prompt_tokens: int, new_tokens: int, *, param: str) -> None:
        """Raise ApiError (400) where a prompt and its answer do not fit into the context."""
        if prompt_tokens + new_tokens > self.context:
            raise ApiError(
                400,
                f"this model's maximum context length is {self.context} tokens and the request "
                f"needs {prompt_tokens + new_tokens} ({prompt_tokens} of the prompt, {new_tokens} "
                "to generate); shorten the prompt, or ask for fewer",
                code="context_length_exceeded",
                param=param,
            )

    def check_new_tokens(self, wanted: int, *, param: str) -> None:
        """Raise ApiError (400) for a longer answer than this server gives."""
        most = self.settings.max_new_tokens
        if wanted > most:
            raise ApiError(
                400,
                f"{param} is {wanted} and this server draws at most {most}; ask for fewer",
                code="invalid_value",
                param=param,
            )

    def samples(
        self,
        prompt: str | None,
        ids: list[int],
        settings: dict[str, Any],
        *,
        seed: int | None,
        n: int = 1,
    ) -> list[Generation]:
        """n samples of a prompt. `settings` are fields of SamplingConfig; None: its default.

        Raises ConfigError and VocabularyError.
        """
        stop = settings.pop("stop", None) or ()
        given = {name: value for name, value in settings.items() if value is not None}
        sampling = SamplingConfig(**given, stop=(stop,) if isinstance(stop, str) else tuple(stop))
        seed = fresh_seed() if seed is None else seed % 2**64  # a negative one is a seed too
        return [
            Generation(
                self.model, self.tokenizer, prompt, sampling, seed=seed, sample=i, prompt_ids=ids
            )
            for i in range(n)
        ]

    def check_places(self, texts: int, *, param: str) -> None:
        """Raise ApiError (400) for more texts than the engine can ever take at once."""
        most = self.settings.capacity
        if texts > most:
            raise ApiError(
                400,
                f"the request asks for {texts} texts and this server takes {most} at a time; ask "
                "for fewer",
                code="too_many_texts",
                param=param,
            )

    def begin(self, samples: list[Generation], *, prompt_tokens: int) -> Job:
        """Hand samples to the engine. Raises QueueFull and ServerClosing."""
        job = self.engine.submit(samples)
        self.metrics.prompt_tokens.inc(prompt_tokens)
        return job

    async def follow(self, job: Job) -> AsyncIterator[Progress]:
        """A job's progress, not more often than all the server's readers together can be told.

        Raises ServerClosing when the server ended a text, and what the model raised.
        """
        began = time.perf_counter()
        first = None
        self._open += 1
        try:
            async for progress in job:
                if first is None and progress.tokens:
                    first = time.perf_counter()
                    self.metrics.first_token.observe(first - began)
                if progress.finish_reason == "cancelled":
                    raise ServerClosing("the server is shutting down; the text ends here")
                yield progress
                if progress.finish_reason is None:
                    pause = max(SHORTEST_PAUSE, self._open / EVENTS_PER_SECOND)
                    await asyncio.sleep(pause)
        finally:
            self._open -= 1
            now = time.perf_counter()
            self.metrics.ended(job.samples, now - (now if first is None else first))
