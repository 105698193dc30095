"""What the server answers when it says no: one shape, the one that OpenAI's clients know.

{"error": {"message": …, "type": …, "param": …, "code": …}}
"""

import json
import reprlib
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from tinygpt.errors import ConfigError, ShapeError, TinyGPTError, VocabularyError
from tinygpt.serve.engine import QueueFull, ServerClosing

ERROR_CODE = "tinygpt.error_code"  # where a request's scope keeps it, for the log and the metrics
CLIENT_GONE = 499  # nobody reads it: nginx's number in logs for a client that hung up
_JSON = "send a JSON object, with the header Content-Type: application/json"


class ApiError(Exception):
    """A request that gets no answer but this."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The answer, as JSON will say it."""
        kinds = {401: "authentication_error", 429: "rate_limit_error"}
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {
            "error": {
                "message": str(self),
                "type": kinds.get(self.status, kind),
                "param": self.param,
                "code": self.code,
            }
        }

    def response(self) -> Response:
        """The answer, ready to send."""
        return json_response(self.body(), self.status, self.headers)


class ClientGone(Exception):
    """The client hung up before its answer was there."""


def json_response(
    data: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Plain ASCII JSON: half a UTF-16 character in it, sent by a client, stays an escape."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return Response(text, status, headers, "application/json")


def as_api_error(error: Exception) -> ApiError:
    """What the client is told of an error raised anywhere below."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, QueueFull):
        wait = {"Retry-After": str(error.retry_after)}
        return ApiError(429, str(error), code="rate_limit_exceeded", headers=wait)
    if isinstance(error, ServerClosing):
        return ApiError(503, str(error), code="server_closing")
    if isinstance(error, ConfigError | VocabularyError | ShapeError):
        return ApiError(400, str(error), code="invalid_value")
    if isinstance(error, TinyGPTError):
        return ApiError(500, str(error), code="model_error")
    return ApiError(
        500,
        "the server failed, and its log says why; ask again, or tell those who run it",
        code="internal_error",
    )


def refusal(schema: type[BaseModel], data: object, error: ValidationError) -> ApiError:
    """In one sentence, what is wrong with a body: the first thing that the schema minds.

    A field's description says what it must be, and so does the message.
    """
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path, value, missing = _place(data, first["loc"], first["type"] == "missing")
    if not path:
        what = "is JSON, but no object"
        if isinstance(data, bytes):
            what = "is not declared to be JSON"
        elif isinstance(data, dict):
            what = "has a name that is no text, half a UTF-16 character"
        return ApiError(400, f"the body {what}; {_JSON}", code="invalid_body")
    top = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        known = ", ".join(schema.model_fields) if path == top else "those in the API's description"
        message = f"there is no parameter {reprlib.repr(path)} here; leave it out, or use {known}"
        return ApiError(400, message, code="unknown_parameter", param=path)
    field = schema.model_fields.get(top)
    wanted = field.description if field is not None else None
    name = "it" if path == top else top
    if missing:
        message, code = f"{path} is missing; {name} must be {wanted}", "missing_parameter"
    else:
        message, code = f"{path} is {reprlib.repr(value)}; {name} must be {wanted}", "invalid_value"
    return ApiError(400, message, code=code, param=path)


def _place(data: object, loc: tuple[int | str, ...], missing: bool) -> tuple[str, object, bool]:
    """Where in the body that is ("messages[0].content"), what stands there, and whether nothing
    does. Pydantic's loc also names the members of unions, which are no places."""
    path, value = "", data
    for step in loc:
        if isinstance(value, list) and isinstance(step, int) and step < len(value):
            path, value = f"{path}[{step}]", value[step]
        elif isinstance(value, dict) and step in value:
            path, value = f"{path}.{step}" if path else str(step), value[step]
        elif isinstance(value, dict) and missing and step == loc[-1]:
            return f"{path}.{step}" if path else str(step), None, True
    return path, value, False


def _unreadable(error: RequestValidationError) -> ApiError:
    """The body is no JSON at all, or there is none."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        what = f"the body is not JSON ({first['ctx']['error']} at character {first['loc'][-1]})"
    elif first["type"] == "missing":
        what = "the request has no body"
    else:
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return ApiError(400, f"{what}; {_JSON}", code="invalid_body")


def _of_http(error: HTTPException, request: Request) -> ApiError:
    path, method = reprlib.repr(request.url.path), request.method
    if error.status_code == 404 and error.detail == "Not Found":
        message = f"there is no {path} here; /openapi.json lists what there is"
        return ApiError(404, message, code="not_found")
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{path} does not answer {method}; use {allowed}"
        return ApiError(405, message, code="method_not_allowed", headers=error.headers)
    if error.status_code == 400:  # FastAPI's word for JSON that Python's parser gave up on
        message = (
            f"the body cannot be read: it is nested too deeply, or a number is too long; {_JSON}"
        )
        return ApiError(400, message, code="invalid_body")
    code = "not_found" if error.status_code == 404 else f"http_{error.status_code}"
    return ApiError(error.status_code, error.detail, code=code, headers=error.headers)


def add_error_handlers(app: FastAPI) -> None:
    """Whatever is raised in this app is answered in the one shape."""

    async def answer(request: Request, error: Exception) -> Response:
        if isinstance(error, ClientGone):
            request.scope[ERROR_CODE] = "client_gone"
            return Response(status_code=CLIENT_GONE)
        if isinstance(error, RequestValidationError):
            told = _unreadable(error)
        elif isinstance(error, HTTPException):
            told = _of_http(error, request)
        else:
            told = as_api_error(error)
        request.scope[ERROR_CODE] = told.code
        return told.response()

    for kind in (
        ApiError, ClientGone, TinyGPTError, RequestValidationError, HTTPException, Exception
    ):  # fmt: skip
        app.add_exception_handler(kind, answer)
