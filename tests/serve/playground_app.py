"""A server of the playground alone, with the shipped model: python playground_app.py PORT [KEY]"""

import sys
from contextlib import asynccontextmanager
import asyncio

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

import tinygpt
from tinygpt.errors import TinyGPTError
from tinygpt.serve.engine import Engine, QueueFull
from tinygpt.serve.playground import PUBLIC, playground_router


def create_app(model, tokenizer, key=None, **sizes):
    engine = Engine(model, **sizes)

    @asynccontextmanager
    async def life(app):
        engine.start(asyncio.get_running_loop())
        yield
        await engine.close(0)

    app = FastAPI(lifespan=life)
    app.state.engine = engine

    def refuse(status, message, **headers):
        return JSONResponse({"error": {"message": message}}, status, headers=headers)

    @app.exception_handler(TinyGPTError)
    async def no(request, error):
        if isinstance(error, QueueFull):
            return refuse(429, str(error), **{"Retry-After": str(error.retry_after)})
        return refuse(400, str(error))

    @app.middleware("http")
    async def guard(request: Request, call_next):
        path = request.url.path
        public = path == "/" or path.startswith(PUBLIC)
        if key and not public and request.headers.get("authorization") != f"Bearer {key}":
            return refuse(401, "wrong key")
        return await call_next(request)

    app.include_router(playground_router(engine, model, tokenizer, "tales"))
    return app


if __name__ == "__main__":
    port, *key = sys.argv[1:]
    uvicorn.run(create_app(*tinygpt.load_model(), *key), port=int(port), log_level="warning")
