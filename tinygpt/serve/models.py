"""GET /v1/models: the one model that is served."""

from typing import Any

from fastapi import APIRouter, Response

from tinygpt.serve.documented import answers, named_answers
from tinygpt.serve.errors import json_response
from tinygpt.serve.openai_schemas import Model, ModelList
from tinygpt.serve.service import Service


def models_router(service: Service) -> APIRouter:
    """GET /v1/models and /v1/models/{model}."""
    router = APIRouter()

    def described() -> dict[str, Any]:
        return {
            "id": service.name,
            "object": "model",
            "created": service.created,
            "owned_by": "tinygpt",
            "max_model_len": service.context,
        }

    @router.get("/v1/models", responses=answers(ModelList, body=False))
    async def models() -> Response:
        """All models: one."""
        return json_response({"object": "list", "data": [described()]})

    @router.get("/v1/models/{model}", responses=named_answers(answers(Model, body=False)))
    async def one(model: str) -> Response:
        """The model of this name."""
        service.check_name(model)
        return json_response(described())

    return router
