"""For those who watch over the server: /health, /ready, /metrics."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from tinygpt.serve import metrics
from tinygpt.serve.documented import answers, text_answers
from tinygpt.serve.engine import ServerClosing
from tinygpt.serve.errors import json_response
from tinygpt.serve.schemas import Health
from tinygpt.serve.service import Service


def watch_router(service: Service) -> APIRouter:
    """All three."""
    router = APIRouter()

    @router.get("/health", responses=answers(Health, key=False, body=False))
    async def health() -> Response:
        """Does the process answer? Needs no key."""
        return json_response({"status": "ok"})

    @router.get("/ready", responses=answers(Health, key=False, body=False, closing=True))
    async def ready() -> Response:
        """Does the server take requests? 503 while it shuts down. Needs no key."""
        if service.engine.closing:
            raise ServerClosing
        return json_response({"status": "ready"})

    @router.get("/metrics", response_class=PlainTextResponse, responses=text_answers())
    async def counted() -> Response:
        """Counters and histograms, as Prometheus reads them."""
        return Response(service.metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})

    return router
