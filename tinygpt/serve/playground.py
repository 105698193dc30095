"""The playground: one page to speak with the model, and to look inside it.

The page is `page/`: plain HTML, CSS and JavaScript, which load nothing from elsewhere. What it
asks of the server is here; it is the page's own and no part of the API. A text is token ids
throughout, so that to go on from another token is exact.
"""

import json
import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from tinygpt.config import SamplingConfig
from tinygpt.decoding import LogProb
from tinygpt.errors import ConfigError, TinyGPTError
from tinygpt.generation import Generation, encode_prompt, fresh_seed
from tinygpt.inspection import attention_maps, expectations, loss_pulls
from tinygpt.model import GPT
from tinygpt.params import parameter_count
from tinygpt.serve.engine import Engine, Job
from tinygpt.tokenizers import Tokenizer

ALTERNATIVES = 8  # that the page shows of each token
FILES = Path(__file__).with_name("page")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PUBLIC = "/playground/page/"  # with "/" what needs no key: the page itself, which then asks for it
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # or a newer server would meet an older script
}
Id = Annotated[int, Field(ge=0, lt=2**31)]


class Question(BaseModel):
    """What the page sends is exactly this."""

    model_config = ConfigDict(extra="forbid", strict=True)


class StreamQuestion(Question):
    """The text to go on from: a text, token ids, or None to let the model begin by itself."""

    prompt: str | list[Id] | None
    max_new_tokens: int = 100
    temperature: float = SamplingConfig.temperature
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    seed: int | None = Field(default=None, ge=0, lt=2**53)  # what JavaScript counts exactly

    def sampling(self, room: int) -> SamplingConfig:
        """`room`: how many tokens fit into the context. Raises ConfigError."""
        return SamplingConfig(
            max_new_tokens=min(self.max_new_tokens, room),
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
            logprobs=ALTERNATIVES,
        )


class AttentionQuestion(Question):
    """Where does this head look, reading this text? Layer and head count from 0."""

    ids: list[Id]
    layer: int
    head: int


class PullsQuestion(Question):
    """Which tokens does the loss of the token at this position pull on?"""

    ids: list[Id]
    position: int


def playground_router(engine: Engine, model: GPT, tokenizer: Tokenizer, name: str) -> APIRouter:
    """The page at `/`, its files under PUBLIC, and what it asks for under `/playground/`.

    `name` is what the page calls the model. Raises TinyGPTError for what cannot be, and QueueFull,
    both to be answered by the app, before a stream begins.
    """
    router = APIRouter(include_in_schema=False)
    config = model.config
    files = {path.name: path.read_bytes() for path in FILES.iterdir() if path.suffix in TYPES}

    def file(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, f"the page has no file {name!r:.60}")
        return Response(files[name], headers=HEADERS | {"Content-Type": TYPES[Path(name).suffix]})

    @router.get("/")
    async def index() -> Response:
        return file("index.html")

    @router.get(PUBLIC + "{name}")
    async def page_file(name: str) -> Response:
        return file(name)

    @router.get("/playground/model")
    async def facts() -> dict[str, Any]:
        return {
            "name": name,
            "parameters": parameter_count(config),
            "n_layer": config.n_layer,
            "n_head": config.n_head,
            "block_size": config.block_size,
            "vocab_size": config.vocab_size,
            "temperature": SamplingConfig.temperature,
        }

    @router.post("/playground/stream")
    async def stream(question: StreamQuestion) -> StreamingResponse:
        ids = _prompt_ids(tokenizer, question.prompt)
        room = config.block_size - len(ids)
        if room < 1:
            raise ConfigError(
                f"the text has {len(ids)} tokens and the model reads {config.block_size}; make it "
                f"at least {1 - room} shorter, so that there is room to go on"
            )
        sample = Generation(
            model, tokenizer, None, question.sampling(room), prompt_ids=ids,
            seed=fresh_seed() if question.seed is None else question.seed,
        )  # fmt: skip
        told = await engine.run(lambda: expectations(model, ids, ALTERNATIVES))
        prompt = [_token(tokenizer, ids[0], None)]
        prompt += [_token(tokenizer, i, p) for i, p in zip(ids[1:], told, strict=True)]
        job = engine.submit([sample])
        start = {"prompt": prompt, "seed": sample.seed, "room": room}
        events = _events(tokenizer, sample, job, start)
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    @router.post("/playground/attention")
    async def attention(question: AttentionQuestion) -> dict[str, Any]:
        if not 0 <= question.head < config.n_head:
            raise ConfigError(
                f"head is {question.head} and a layer has {config.n_head}; choose from 0 to "
                f"{config.n_head - 1}"
            )

        def weights() -> list[list[float]]:
            maps = attention_maps(model, question.ids, question.layer)
            rounded: list[list[float]] = maps[question.head].astype(np.float64).round(4).tolist()
            return rounded

        return {"weights": await engine.run(weights)}

    @router.post("/playground/pulls")
    async def pulls(question: PullsQuestion) -> dict[str, Any]:
        loss, norms = await engine.run(
            lambda: loss_pulls(model, question.ids, question.position)
        )
        return {"loss": loss, "pulls": norms.tolist()}

    return router


def _prompt_ids(tokenizer: Tokenizer, prompt: str | Sequence[int] | None) -> list[int]:
    if prompt is None or isinstance(prompt, str):
        return encode_prompt(tokenizer, prompt)
    return [*prompt]


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


def event(data: dict[str, Any]) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


async def _events(
    tokenizer: Tokenizer, sample: Generation, job: Job, start: dict[str, Any]
) -> AsyncIterator[str]:
    """`start`, each token as it comes, then why the text ended; or what went wrong."""
    try:
        yield event({"start": start})
        sent = 0
        async for progress in job:
            for i in range(sent, progress.tokens):
                yield event({"token": _token(tokenizer, sample.ids[i], sample.logprobs[i])})
            sent = progress.tokens
        yield event({"end": sample.finish_reason})
    except TinyGPTError as error:
        yield event({"error": {"message": str(error), "type": type(error).__name__}})
    finally:
        job.cancel()  # the reader may have gone
