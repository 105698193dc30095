"""The playground: one page to speak with the model, and to look inside it.

The page is `page/`: plain HTML, CSS and JavaScript, which load nothing from elsewhere. What it
asks of the server is here; it is the page's own and no part of the API. A text is token ids
throughout, so that to go on from another token is exact.
"""

import json
import math
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import Field

from tinygpt.config import SamplingConfig
from tinygpt.decoding import LogProb
from tinygpt.errors import ConfigError
from tinygpt.inspection import attention_maps, expectations, loss_pulls
from tinygpt.params import parameter_count
from tinygpt.serve.engine import Job
from tinygpt.serve.errors import ApiError, json_response
from tinygpt.serve.replies import EventStream, computed
from tinygpt.serve.schemas import Body, GenerateBody, Ids
from tinygpt.serve.service import Service
from tinygpt.tokenizers import Tokenizer

ALTERNATIVES = 8  # that the page shows of each token
FILES = Path(__file__).with_name("page")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PUBLIC = "/playground/page/"  # where its files are: they need no key, for the page asks for it
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # or a newer server would meet an older script
}
_IDS = "a list of the text's token ids, of at least one"


class AttentionBody(Body):
    """Where does this head look, reading this text? Layer and head count from 0."""

    ids: Ids = Field(description=_IDS)
    layer: int = Field(description="a whole number from 0")
    head: int = Field(description="a whole number from 0")


class PullsBody(Body):
    """Which tokens does the loss of the token at this position pull on?"""

    ids: Ids = Field(description=_IDS)
    position: int = Field(description="a whole number from 1")


def playground_router(service: Service) -> APIRouter:
    """The page at `/`, its files under PUBLIC, and what it asks for."""
    router = APIRouter(include_in_schema=False)
    model, tokenizer, config = service.model, service.tokenizer, service.model.config
    files = {path.name: path.read_bytes() for path in FILES.iterdir() if path.suffix in TYPES}

    @router.get("/")
    async def page() -> Response:
        return await file("index.html")

    @router.get(PUBLIC + "{name}")
    async def file(name: str) -> Response:
        if name not in files:
            raise ApiError(404, f"the page has no file {name!r:.60}", code="not_found")
        return Response(files[name], headers=HEADERS | {"Content-Type": TYPES[Path(name).suffix]})

    @router.get("/playground/model")
    async def facts() -> Response:
        return json_response(
            {
                "name": service.name,
                "parameters": parameter_count(config),
                "n_layer": config.n_layer,
                "n_head": config.n_head,
                "block_size": config.block_size,
                "vocab_size": config.vocab_size,
                "max_new_tokens": min(config.block_size - 1, service.settings.max_new_tokens),
                "temperature": SamplingConfig.temperature,
            }
        )

    @router.post("/playground/stream")
    async def stream(body: GenerateBody, request: Request) -> Response:
        ids = await service.encode(body.prompt)
        room = config.block_size - len(ids)
        if room < 1:
            raise ConfigError(
                f"the text has {len(ids)} tokens and the model reads {config.block_size}; make it "
                f"at least {1 - room} shorter, so that there is room to go on"
            )
        settings = body.model_dump(exclude={"prompt", "seed", "stream"})
        settings["logprobs"] = ALTERNATIVES
        room = min(room, service.settings.max_new_tokens)
        settings["max_new_tokens"] = min(room, body.max_new_tokens or room)
        (sample,) = service.samples(None, ids, settings, seed=body.seed)
        look = partial(expectations, model, ids, ALTERNATIVES)
        told = await computed(service, look, request.receive)
        prompt = [_token(tokenizer, i, p) for i, p in zip(ids, [None, *told], strict=True)]
        job = service.begin([sample], prompt_tokens=len(ids))
        start = {"prompt": prompt, "seed": sample.seed, "room": room}
        return EventStream(job, _events(service, job, start))

    @router.post("/playground/attention")
    async def attention(body: AttentionBody, request: Request) -> Response:
        if not 0 <= body.head < config.n_head:
            raise ConfigError(
                f"head is {body.head} and a layer has {config.n_head}; choose from 0 to "
                f"{config.n_head - 1}"
            )

        def weights() -> str:
            head = attention_maps(model, body.ids, body.layer)[body.head]
            # row by row: a million numbers in one call would hold up every other thread
            rows = (json.dumps(row.tolist()) for row in head.astype(np.float64).round(4))
            return f'{{"weights":[{",".join(rows)}]}}'

        text = await computed(service, weights, request.receive)
        return Response(text, media_type="application/json")

    @router.post("/playground/pulls")
    async def pulls(body: PullsBody, request: Request) -> Response:
        look = partial(loss_pulls, model, body.ids, body.position)
        loss, norms = await computed(service, look, request.receive)
        return json_response({"loss": loss, "pulls": norms.tolist()})

    return router


def _token(tokenizer: Tokenizer, id: int, told: LogProb | None) -> dict[str, Any]:
    """What the page shows of a token: the model's own probability of it, before penalties,
    temperature and filters, and those of the likeliest in its place."""
    token = _face(tokenizer, id)
    if told is not None:
        token["p"] = math.exp(told.chosen)
        token["best"] = [_face(tokenizer, i) | {"p": math.exp(p)} for i, p in told.best]
    return token


def _face(tokenizer: Tokenizer, id: int) -> dict[str, Any]:
    """A token's id and its text; without one, its bytes in hex: part of a character, or none at
    all for end-of-text."""
    raw = tokenizer.token_bytes(id)
    try:
        text = raw.decode("utf-8") if raw else None
    except UnicodeDecodeError:
        text = None
    return {"id": id, "text": text} | ({"bytes": raw.hex(" ")} if text is None else {})


async def _events(service: Service, job: Job, start: dict[str, Any]) -> AsyncIterator[str]:
    """`start`, each token as it comes, then why the text ended."""
    (sample,) = job.samples
    yield json.dumps({"start": start})
    told = 0
    async for progress in service.follow(job):
        for i in range(told, progress.tokens):
            token = _token(service.tokenizer, sample.ids[i], sample.logprobs[i])
            yield json.dumps({"token": token})
        told = progress.tokens
    yield json.dumps({"end": sample.finish_reason})
