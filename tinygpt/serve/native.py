"""The server's own endpoints for texts: /generate, /tokenize, /detokenize, /tokenizer_info."""

import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response

from tinygpt.config import SamplingConfig
from tinygpt.errors import VocabularyError
from tinygpt.generation import Generation
from tinygpt.serve.documented import answers, event_answers
from tinygpt.serve.engine import Job
from tinygpt.serve.errors import ApiError, json_response
from tinygpt.serve.logprobs import LEAST, shown_tokens
from tinygpt.serve.replies import EventStream, finished
from tinygpt.serve.schemas import (
    DetokenizeBody,
    Detokenized,
    GenerateBody,
    Generated,
    TokenizeBody,
    Tokenized,
    TokenizerInfo,
)
from tinygpt.serve.service import Service
from tinygpt.tokenizers.protocol import END_OF_TEXT


def native_router(service: Service) -> APIRouter:
    """All four."""
    router = APIRouter()

    @router.post("/generate", responses=event_answers(Generated))
    async def generate(body: GenerateBody, request: Request) -> Response:
        """Continue a text. With `stream`: events {"text", "token_count"}, with `logprobs` also
        "tokens"; the last has finish_reason and seed; then [DONE]. Texts may outgrow the
        model's context: it then sees the end of them."""
        ids = await service.encode(body.prompt)
        settings = body.model_dump(exclude={"prompt", "seed", "stream"})
        settings["max_new_tokens"] = _new_tokens(service, body)
        text = body.prompt if isinstance(body.prompt, str) else None
        (sample,) = service.samples(text, ids, settings, seed=body.seed)
        job = service.begin([sample], prompt_tokens=len(ids))
        if body.stream:
            return EventStream(job, _events(service, job))
        await finished(service, job, request.receive)
        told = {
            "generated_text": sample.text,
            "token_count": len(sample.ids),
            "finish_reason": sample.finish_reason,
            "seed": sample.seed,
        }
        if body.logprobs is not None:
            told["tokens"] = _tokens(sample, 0, len(sample.ids))
        return json_response(told)

    @router.post("/tokenize", responses=answers(Tokenized))
    async def tokenize(body: TokenizeBody) -> Response:
        """Cut a text into tokens."""
        ids = await service.encode(body.prompt) if body.prompt else []
        pieces = [service.tokenizer.token_bytes(i).decode(errors="replace") for i in ids]
        return json_response(
            {
                "tokens": ids,
                "pieces": pieces,
                "count": len(ids),
                "max_model_len": service.context,
            }
        )

    @router.post("/detokenize", responses=answers(Detokenized))
    async def detokenize(body: DetokenizeBody) -> Response:
        """Join token ids to a text; half a character becomes "�"."""
        try:
            return json_response({"prompt": service.tokenizer.decode(body.tokens)})
        except VocabularyError as error:
            raise ApiError(400, str(error), code="invalid_value", param="tokens") from None

    @router.get("/tokenizer_info", responses=answers(TokenizerInfo, body=False))
    async def tokenizer_info() -> Response:
        """Which tokenizer the model reads with."""
        tokenizer = service.tokenizer
        return json_response(
            {
                "name": tokenizer.name,
                "vocab_size": tokenizer.vocab_size,
                "eos_token": None if tokenizer.eot_id is None else END_OF_TEXT,
                "bos_token": None,
                "eot_id": tokenizer.eot_id,
            }
        )

    return router


def _new_tokens(service: Service, body: GenerateBody) -> int:
    """How many tokens to draw. Raises ApiError where that is more than this server does."""
    if body.max_new_tokens is None:
        return min(SamplingConfig.max_new_tokens, service.settings.max_new_tokens)
    service.check_length(body.max_new_tokens, param="max_new_tokens")
    return body.max_new_tokens


def _tokens(sample: Generation, start: int, stop: int) -> list[dict[str, Any]]:
    """Tokens start to stop of a sample, and what the model thought of them."""
    return [
        {
            "id": id,
            "logprob": max(p.chosen, LEAST),
            "best": [(i, max(value, LEAST)) for i, value in p.best],
        }
        for id, p in zip(sample.ids[start:stop], sample.logprobs[start:stop], strict=True)
    ]


async def _events(service: Service, job: Job) -> AsyncIterator[str]:
    (sample,) = job.samples
    shown, told = 0, 0
    async for progress in service.follow(job):
        event: dict[str, Any] = {
            "text": sample.text[shown : progress.chars],
            "token_count": progress.tokens,
        }
        if sample.sampling.logprobs is not None:
            ended = progress.finish_reason is not None
            shown_now = shown_tokens(sample, progress.tokens, progress.chars)
            stop = progress.tokens if ended else shown_now
            event["tokens"], told = _tokens(sample, told, stop), stop
        shown = progress.chars
        if progress.finish_reason is not None:
            event |= {"finish_reason": progress.finish_reason, "seed": sample.seed}
        yield json.dumps(event)
