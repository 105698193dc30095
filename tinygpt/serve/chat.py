"""POST /v1/chat/completions: a conversation, for a model that only knows how to go on from a text.

The messages are written down as one text, by one of two templates (TINYGPT_CHAT_TEMPLATE):

    plain   the contents, one below the other; the answer goes on from the last. For a model that
            has read plain texts, like the shipped one: its prompt is what was said, to the letter.
    roles   "System: …", "User: …", "Assistant: …", a line each, then "Assistant:"; the answer ends
            where the model would speak for the user. For a model that has read such dialogues.
"""

import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from tinygpt.generation import Generation
from tinygpt.serve.completions import check_openai_body, openai_settings, usage, wants_usage
from tinygpt.serve.documented import event_answers, named_answers
from tinygpt.serve.engine import Job
from tinygpt.serve.errors import ApiError, json_response
from tinygpt.serve.logprobs import chat_logprobs, shown_tokens
from tinygpt.serve.openai_schemas import ChatBody, ChatCompletion, Message
from tinygpt.serve.replies import EventStream, finished
from tinygpt.serve.service import Service

USERS_TURN = "\nUser:"


def chat_router(service: Service) -> APIRouter:
    """POST /v1/chat/completions."""
    router = APIRouter()

    @router.post("/v1/chat/completions", responses=named_answers(event_answers(ChatCompletion)))
    async def chat(body: ChatBody, request: Request) -> Response:
        """Answer a conversation, `n` times. The model is no chat model: it goes on from the text
        that the messages make."""
        check_openai_body(service, body)
        if body.top_logprobs is not None and not body.logprobs:
            raise ApiError(
                400,
                "top_logprobs is given without logprobs; leave it out, or set logprobs to true",
                code="invalid_value",
                param="top_logprobs",
            )
        service.check_places(body.n or 1, param="n")
        with_roles = service.settings.chat_template == "roles"
        prompt = as_roles(body.messages) if with_roles else as_plain(body.messages)
        ids = await service.encode(prompt or None, param="messages")
        settings = openai_settings(
            body,
            _new_tokens(service, body, ids),
            (body.top_logprobs or 0) if body.logprobs else None,
        )
        if with_roles:
            stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
            settings["stop"] = [*stop, USERS_TURN]
        samples = service.samples(prompt, ids, settings, seed=body.seed, n=body.n or 1)
        job = service.begin(samples, prompt_tokens=len(ids))
        head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion.chunk" if body.stream else "chat.completion",
            "created": int(time.time()),
            "model": service.name,
        }
        if body.stream:
            return EventStream(job, _events(service, body, head, ids, job))
        await finished(service, job, request.receive)
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": sample.text, "refusal": None},
                "logprobs": _logprobs(service, sample, 0, len(sample.ids), len(sample.text))[1],
                "finish_reason": sample.finish_reason,
            }
            for index, sample in enumerate(samples)
        ]
        return json_response(head | {"choices": choices, "usage": usage([ids], samples)})

    return router


def content_of(message: Message) -> str:
    """What was said, in one piece."""
    if isinstance(message.content, str):
        return message.content
    return "".join(part.text for part in message.content)


def as_plain(messages: Sequence[Message]) -> str:
    """The template `plain`.

    >>> as_plain([Message(role="system", content="Be kind."), Message(role="user", content="Once")])
    'Be kind.\\nOnce'
    """
    return "\n".join(map(content_of, messages))


def as_roles(messages: Sequence[Message]) -> str:
    """The template `roles`.

    >>> as_roles([Message(role="system", content="Be kind."), Message(role="user", content="Hi")])
    'System: Be kind.\\nUser: Hi\\nAssistant:'
    """
    names = {"developer": "System"}
    lines = [f"{names.get(m.role, m.role.capitalize())}: {content_of(m)}" for m in messages]
    return "\n".join([*lines, "Assistant:"])


def _new_tokens(service: Service, body: ChatBody, ids: list[int]) -> int:
    """How many tokens to draw: as many as are asked for, else as fit into the context.

    Raises ApiError where they do not fit, or where the protocol's two names for it disagree.
    """
    given = {body.max_tokens, body.max_completion_tokens} - {None}
    if len(given) > 1:
        raise ApiError(
            400,
            f"max_tokens is {body.max_tokens} and max_completion_tokens is "
            f"{body.max_completion_tokens}; give one of them",
            code="invalid_value",
            param="max_tokens",
        )
    param = "max_tokens" if body.max_completion_tokens is None else "max_completion_tokens"
    for wanted in given:
        if wanted is not None:
            service.check_context(len(ids), wanted, param=param)
            service.check_new_tokens(wanted, param=param)
            return wanted
    service.check_context(len(ids), 1, param="messages")
    return min(service.context - len(ids), service.settings.max_new_tokens)


def _logprobs(
    service: Service, sample: Generation, told: int, tokens: int, chars: int
) -> tuple[int, dict[str, Any] | None]:
    """What is to be told after the first `told` tokens, and how many are told then."""
    if sample.sampling.logprobs is None:
        return told, None
    now = shown_tokens(sample, tokens, chars)
    new = slice(told, now)
    return now, chat_logprobs(service.tokenizer, sample.ids[new], sample.logprobs[new])


async def _events(
    service: Service, body: ChatBody, head: dict[str, Any], ids: list[int], job: Job
) -> AsyncIterator[str]:
    """The answer in pieces: who speaks, what is said, why it ends, and what it took."""
    start = json.dumps(head)[:-1] + ', "choices": [{"index": '
    end = '}], "usage": null}' if wants_usage(body) else "}]}"

    def event(index: int, delta: str, logprobs: str = "null", reason: str = "null") -> str:
        return (
            f'{start}{index}, "delta": {delta}, "logprobs": {logprobs}, '
            f'"finish_reason": {reason}{end}'
        )

    for index in range(len(job.samples)):
        yield event(index, '{"role": "assistant", "content": "", "refusal": null}')
    shown, told = [0] * len(job.samples), [0] * len(job.samples)
    async for now in service.follow(job):
        index, chars = now.index, now.chars
        sample = job.samples[index]
        told[index], new = _logprobs(service, sample, told[index], now.tokens, chars)
        text, shown[index] = sample.text[shown[index] : chars], chars
        if text or new is not None:
            said = "null" if new is None else json.dumps(new)
            yield event(index, f'{{"content": {json.dumps(text)}}}', said)
        if now.finish_reason is not None:
            yield event(index, "{}", reason=f'"{now.finish_reason}"')
    if wants_usage(body):
        yield json.dumps(head | {"choices": [], "usage": usage([ids], job.samples)})
