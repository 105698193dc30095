"""What the API's description (/openapi.json) says of answers: every status that occurs."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tinygpt import __version__
from tinygpt.serve.schemas import MOST, ErrorBody

_DESCRIPTION = """A small GPT of one's own, behind OpenAI's protocol.

- A key, where the server has one, is sent as `Authorization: Bearer KEY` or `X-API-Key: KEY`.
- null means the same as leaving a field out. A name that is not listed is refused.
- The model is no chat model: /v1/chat/completions writes the messages down as one text (with the
  template `plain`, the contents one below the other; with `roles`, each after its role) and the
  model goes on from there.
- Every error has the one shape `{"error": {"message", "type", "param", "code"}}`. In a stream, a
  failure is an event of this shape, and the end.
"""
Responses = dict[int | str, dict[str, Any]]
_EVENTS = {
    "description": "The answer, or with `stream` its events",
    # no type: some tools hold it against every event, others against all of them as one text
    "content": {
        "text/event-stream": {
            "schema": {"description": "Each event's data is a JSON object; the last is [DONE]"}
        }
    },
}


def answers(
    model: Any,
    *,
    key: bool = True,
    body: bool = True,
    closing: bool = False,
) -> Responses:
    """The answers of an endpoint that does not draw: 200 with this model, and the refusals."""
    told: Responses = {200: {"model": model}}
    if body:
        told |= {
            400: _error("The body is not what it must be"),
            413: _error("The body is too large"),
        }
    if key:
        told[401] = _error("The key is missing, or wrong")
    if closing:
        told[503] = _error("The server is shutting down")
    return dict(sorted(told.items(), key=lambda item: int(item[0])))


def text_answers() -> Responses:
    """The answers of an endpoint that says plain text, which only lacking a key is refused."""
    schema = {"$ref": f"#/components/schemas/{ErrorBody.__name__}"}
    refusal = {"content": {"application/json": {"schema": schema}}}
    return {401: refusal | {"description": "The key is missing, or wrong"}}


def event_answers(model: Any) -> Responses:
    """The answers of an endpoint that draws."""
    return answers(model, closing=True) | {
        200: {"model": model, **_EVENTS},
        429: {
            **_error("The queue is full"),
            "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}},
        },
        500: _error("The model failed"),
    }


def named_answers(responses: Responses) -> Responses:
    """The same, of an endpoint that is told the model's name."""
    return responses | {404: _error("There is no such model")}


def _error(description: str) -> dict[str, Any]:
    return {"model": ErrorBody, "description": description}


def _limit(schema: Any, most: Mapping[str, int]) -> None:
    """Write down the greatest value of every number that is marked by MOST."""
    if isinstance(schema, dict):
        if (limit := schema.pop(MOST, None)) is not None:
            schema["maximum"] = most[limit]
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            _limit(part, most)


def describe(app: FastAPI, *, needs_key: bool, most: Mapping[str, int]) -> None:
    """Let the app describe itself: with the limits `most` of this model and its settings, and
    without FastAPI's own shape of errors, which never occurs."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title="tinygpt", version=__version__, description=_DESCRIPTION, routes=app.routes
            )
            for operations in schema["paths"].values():
                for operation in operations.values():
                    operation["responses"].pop("422", None)
            parts = schema["components"]
            _limit(parts, most)
            for name in ("HTTPValidationError", "ValidationError"):
                parts["schemas"].pop(name, None)
            if needs_key:
                parts["securitySchemes"] = {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                }
                for operations in schema["paths"].values():
                    for operation in operations.values():
                        if "401" in operation["responses"]:
                            operation["security"] = [{"bearer": []}, {"header": []}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
