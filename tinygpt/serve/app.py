"""The server as an ASGI application: `create_app` puts its parts together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from tinygpt.model import GPT
from tinygpt.serve.chat import chat_router
from tinygpt.serve.completions import completions_router
from tinygpt.serve.documented import describe
from tinygpt.serve.engine import Engine
from tinygpt.serve.errors import add_error_handlers
from tinygpt.serve.middleware import BodyLimit, HostCheck, KeyCheck, RequestLog
from tinygpt.serve.models import models_router
from tinygpt.serve.native import native_router
from tinygpt.serve.playground import PUBLIC, playground_router
from tinygpt.serve.service import Service
from tinygpt.serve.settings import Settings
from tinygpt.serve.watch import watch_router
from tinygpt.tokenizers import Tokenizer


def create_app(settings: Settings, model: GPT, tokenizer: Tokenizer, name: str) -> FastAPI:
    """An application that serves this model under this name; `app.state.engine` is its engine.

    Nothing is fetched from elsewhere, so there is no /docs: its page would load another site's
    scripts. /openapi.json describes the API to any tool.
    """
    engine = Engine(model, batch_size=settings.batch_size, queue_size=settings.queue_size)
    service = Service(settings, model, tokenizer, name, engine)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        engine.start(asyncio.get_running_loop())
        yield
        await engine.close(settings.grace_seconds)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.engine = engine
    for router in (
        native_router, completions_router, chat_router, models_router, watch_router,
        playground_router,
    ):  # fmt: skip
        app.include_router(router(service))
    add_error_handlers(app)
    most = {
        "token_id": model.config.vocab_size - 1,
        # a prompt has a token at least
        "answer": min(service.context - 1, settings.max_new_tokens),
        "max_new_tokens": settings.max_new_tokens,
    }
    describe(app, needs_key=settings.api_key is not None, most=most)
    # what is added last is met first
    app.add_middleware(BodyLimit, most=settings.max_body_bytes)
    if settings.api_key is None:
        app.add_middleware(HostCheck)
    else:
        app.add_middleware(KeyCheck, key=settings.api_key.get_secret_value(), public_files=PUBLIC)
    if origins := [origin for o in settings.cors_origins.split(",") if (origin := o.strip())]:
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(RequestLog, metrics=service.metrics)
    return app
