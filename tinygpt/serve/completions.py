"""POST /v1/completions: go on from a text, as OpenAI's protocol has it."""

import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from tinygpt.decoding import LogProb
from tinygpt.generation import Generation
from tinygpt.inspection import expectations
from tinygpt.serve.documented import event_answers, named_answers
from tinygpt.serve.engine import Job
from tinygpt.serve.errors import ApiError, json_response
from tinygpt.serve.logprobs import completion_logprobs, prompt_offsets, shown_tokens
from tinygpt.serve.openai_schemas import ChatBody, Completion, CompletionBody
from tinygpt.serve.replies import EventStream, finished
from tinygpt.serve.service import Service
from tinygpt.tokenizers import Tokenizer

DEFAULT_TOKENS = 16  # what OpenAI draws when nobody says how many


def completions_router(service: Service) -> APIRouter:
    """POST /v1/completions."""
    router = APIRouter()

    @router.post("/v1/completions", responses=named_answers(event_answers(Completion)))
    async def completions(body: CompletionBody, request: Request) -> Response:
        """Continue one text or several, `n` times each: choice i belongs to prompt i // n. With
        `echo` each begins with its prompt; with `logprobs` too, the prompt's are told."""
        check_openai_body(service, body)
        n = body.n or 1
        if body.best_of not in (None, n):
            raise ApiError(
                400,
                f"best_of is {body.best_of} and n is {n}; make them equal, or leave best_of out",
                code="invalid_value",
                param="best_of",
            )
        given = _prompts(body)
        service.check_places(n * len(given), param="prompt" if len(given) > n else "n")
        prompts = [await service.encode(prompt) for prompt in given]
        new = _new_tokens(service, body, prompts)
        settings = openai_settings(body, new, body.logprobs)
        choices: list[_Choice] = []
        for ids in prompts:
            read = await _read(service, body, ids)
            drawn = service.samples(None, ids, settings, seed=body.seed, n=n) if new else [None] * n
            choices += (_Choice(service.tokenizer, body, ids, read, sample) for sample in drawn)
        samples = [choice.sample for choice in choices if choice.sample is not None]
        job = service.begin(samples, prompt_tokens=sum(map(len, prompts)))
        head = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": service.name,
        }
        if body.stream:
            return EventStream(job, _events(service, body, head, choices, job))
        await finished(service, job, request.receive)
        return json_response(
            head
            | {
                "choices": [choice.whole(index) for index, choice in enumerate(choices)],
                "usage": usage(prompts, samples),
            }
        )

    return router


def check_openai_body(service: Service, body: CompletionBody | ChatBody) -> None:
    """Raise ApiError for another model's name, and for stream_options without a stream."""
    service.check_name(body.model)
    if body.stream_options is not None and not body.stream:
        raise ApiError(
            400,
            "stream_options is given without stream; leave it out, or set stream to true",
            code="invalid_value",
            param="stream_options",
        )


def openai_settings(
    body: CompletionBody | ChatBody, new_tokens: int, logprobs: int | None
) -> dict[str, Any]:
    """The body in SamplingConfig's words. The temperature is 1 unless given."""
    names = ("top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty",
             "frequency_penalty", "stop")  # fmt: skip
    return {name: getattr(body, name) for name in names} | {
        "max_new_tokens": new_tokens,
        "temperature": 1.0 if body.temperature is None else body.temperature,
        "logprobs": logprobs,
    }


def usage(prompts: Sequence[Sequence[int]], samples: Sequence[Generation]) -> dict[str, int]:
    """Tokens in and out of a request; those of a stop string were drawn too."""
    read, drawn = sum(map(len, prompts)), sum(len(sample.ids) for sample in samples)
    return {
        "prompt_tokens": read,
        "completion_tokens": drawn,
        "total_tokens": read + drawn,
    }


def wants_usage(body: CompletionBody | ChatBody) -> bool:
    """Whether the stream is to tell the tokens that it took."""
    return body.stream_options is not None and bool(body.stream_options.include_usage)


def _prompts(body: CompletionBody) -> list[Any]:
    """The prompts, each a text, a list of ids, or None."""
    several = isinstance(body.prompt, list) and not isinstance(body.prompt[0], int)
    return list(body.prompt) if several else [body.prompt]  # type: ignore[arg-type]


def _new_tokens(service: Service, body: CompletionBody, prompts: Sequence[list[int]]) -> int:
    """How many tokens to draw. Raises ApiError where they do not fit into the context."""
    longest = max(map(len, prompts))
    if body.max_tokens is None:
        service.check_context(longest, 1, param="prompt")
        return min(DEFAULT_TOKENS, service.context - longest, service.settings.max_new_tokens)
    service.check_context(longest, body.max_tokens, param="max_tokens")
    service.check_new_tokens(body.max_tokens, param="max_tokens")
    return body.max_tokens


async def _read(service: Service, body: CompletionBody, ids: list[int]) -> list[LogProb | None]:
    """What the model thought of an echoed prompt, if that is asked for; nothing of its start."""
    if not body.echo or body.logprobs is None:
        return []
    return [
        None,
        *await service.engine.run(partial(expectations, service.model, ids, body.logprobs)),
    ]


class _Choice:
    """One text of the answer: its prompt, where it is echoed, then what is drawn."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        body: CompletionBody,
        ids: list[int],
        read: list[LogProb | None],
        sample: Generation | None,
    ) -> None:
        self.sample = sample
        self.ids = ids
        self._tokenizer, self._read = tokenizer, read
        self._logprobs = body.logprobs is not None
        self._prompt, self._offsets = prompt_offsets(tokenizer, ids) if body.echo else ("", [])
        self._told = self._shown = 0  # tokens, characters

    def echo(self) -> tuple[str, dict[str, list[Any]] | None]:
        """The prompt, and what the model thought of it."""
        if not self._logprobs:
            return self._prompt, None
        ids = self.ids if self._read else []
        return self._prompt, completion_logprobs(self._tokenizer, ids, self._read, self._offsets)

    def more(self, tokens: int, chars: int) -> tuple[str, dict[str, list[Any]] | None]:
        """What is new of the text, now that so much of it is certain."""
        if self.sample is None:
            return "", None
        start, self._shown = self._shown, chars
        text = self.sample.text[start:chars]
        if not self._logprobs:
            return text, None
        sample, told = self.sample, self._told
        self._told = shown_tokens(sample, tokens, chars)
        new = slice(told, self._told)
        begins = [len(self._prompt) + end for end in [0, *sample.ends][new]]
        return text, completion_logprobs(
            self._tokenizer, sample.ids[new], sample.logprobs[new], begins
        )

    def whole(self, index: int) -> dict[str, Any]:
        """The choice, once its sample has ended."""
        text, logprobs = self.echo()
        reason = "length"
        if self.sample is not None:
            new, of_new = self.more(len(self.sample.ids), len(self.sample.text))
            text += new
            if logprobs is not None and of_new is not None:
                logprobs = {name: told + of_new[name] for name, told in logprobs.items()}
            reason = self.sample.finish_reason or reason
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}


async def _events(
    service: Service,
    body: CompletionBody,
    head: dict[str, Any],
    choices: Sequence[_Choice],
    job: Job,
) -> AsyncIterator[str]:
    """The answer in pieces. Its frame is written once: a token costs one short json.dumps."""
    start = json.dumps(head)[:-1] + ', "choices": [{"index": '
    end = '}], "usage": null}' if wants_usage(body) else "}]}"

    def event(index: int, new: tuple[str, dict[str, Any] | None], reason: str | None) -> str:
        text, logprobs = new
        said = "null" if logprobs is None else json.dumps(logprobs)
        why = "null" if reason is None else f'"{reason}"'
        return (
            f'{start}{index}, "text": {json.dumps(text)}, "logprobs": {said}, '
            f'"finish_reason": {why}{end}'
        )

    for index, choice in enumerate(choices):
        if body.echo or choice.sample is None:
            yield event(index, choice.echo(), "length" if choice.sample is None else None)
    async for now in service.follow(job):
        new = choices[now.index].more(now.tokens, now.chars)
        yield event(now.index, new, now.finish_reason)
    if wants_usage(body):
        prompts = [choice.ids for choice in choices[:: body.n or 1]]
        yield json.dumps(head | {"choices": [], "usage": usage(prompts, job.samples)})
