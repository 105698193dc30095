"""What a handler must do: start a text for a good request, refuse a bad one in a sentence."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tinygpt.lesson_checks.core import Candidate, expect, expect_parts
from tinygpt.lesson_checks.stream_checks import DONE, event

EVENTS = {"Content-Type": "text/event-stream"}
JSON = {"Content-Type": "application/json"}
LONGEST = 128  # tokens that one request may ask for
Answer = tuple[int, dict[str, str], Iterable[str]]


def refuse(message: str, param: str | None = None) -> Answer:
    """The answer to a request that cannot be: whose fault it is, and what to do."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    return 400, JSON, [json.dumps({"error": error})]


def handle(body: bytes, start: Callable[[str, int], Iterable[str]]) -> Answer:
    """The request's body to status, headers and the pieces of the answer's body."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):  # bytes that are not UTF-8 are a ValueError too
        return refuse('the body is not JSON; send an object like {"prompt": "Ivy"}')
    if not isinstance(request, dict):
        return refuse('the body is JSON, but no object; send one like {"prompt": "Ivy"}')
    prompt, n = request.get("prompt"), request.get("max_tokens", 16)
    if not isinstance(prompt, str) or not prompt:
        return refuse("prompt must be a text of at least one character", "prompt")
    if type(n) is not int or not 1 <= n <= LONGEST:  # True is an int, and no number
        must = f"max_tokens is {n!r:.20}; it must be a whole number from 1 to {LONGEST}"
        return refuse(must, "max_tokens")
    return 200, EVENTS, start(prompt, n)


class Start:
    """Begins a text: writes down what it was asked for; its events are made as they are read."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Any]] = []
        self.read = 0

    def __repr__(self) -> str:
        return "start(prompt, max_tokens), which gives the events"

    def __call__(self, prompt: Any, max_tokens: Any) -> Iterator[str]:
        self.asked.append((prompt, max_tokens))
        return self._events()

    def _events(self) -> Iterator[str]:
        for one in (event("a"), DONE):
            self.read += 1
            yield one


GOOD: list[tuple[bytes, str, int]] = [
    (b'{"prompt": "a"}', "a", 16),
    (b'{"prompt": "a", "max_tokens": 1}', "a", 1),
    (b'{"max_tokens": 128, "prompt": "a\\nb"}', "a\nb", 128),
    ('{"prompt": "Zoë 🐷"}'.encode(), "Zoë 🐷", 16),
    (b' {"prompt" : " ", "max_tokens": 7}\n', " ", 7),
]
TRUE = "max_tokens is true, which is no number, though isinstance(True, int) holds"
BAD: list[tuple[bytes, str | None, str]] = [  # which parameter is wrong, and what is wrong
    (b"{}", "prompt", "prompt is missing"),
    (b'{"max_tokens": 5}', "prompt", "prompt is missing"),
    (b'{"prompt": ""}', "prompt", "prompt is empty"),
    (b'{"prompt": 5}', "prompt", "prompt is no text"),
    (b'{"prompt": null}', "prompt", "prompt is no text"),
    (b'{"prompt": ["a"]}', "prompt", "prompt is no text"),
    (b'{"prompt": "a", "max_tokens": 0}', "max_tokens", "max_tokens is below 1"),
    (b'{"prompt": "a", "max_tokens": -1}', "max_tokens", "max_tokens is below 1"),
    (b'{"prompt": "a", "max_tokens": 129}', "max_tokens", f"max_tokens is above {LONGEST}"),
    (b'{"prompt": "a", "max_tokens": "5"}', "max_tokens", "max_tokens is a text"),
    (b'{"prompt": "a", "max_tokens": 2.5}', "max_tokens", "max_tokens is no whole number"),
    (b'{"prompt": "a", "max_tokens": [5]}', "max_tokens", "max_tokens is a list"),
    (b'{"prompt": "a", "max_tokens": NaN}', "max_tokens", "max_tokens is no whole number"),
    (b'{"prompt": "a", "max_tokens": true}', "max_tokens", TRUE),
    (b"", None, "the body is empty"),
    (b"{", None, "the body is not JSON"),
    (b"a", None, "the body is not JSON"),
    (b"[]", None, "the body is a list"),
    (b'"a"', None, "the body is a text and no object"),
    (b"null", None, "the body is null"),
    (b'{"prompt": "\xff"}', None, "the body is not UTF-8"),
    (b"[" * 100_000, None, "the body is not JSON"),
]


def handle_is_right(f: Candidate) -> None:
    for body, prompt, n in GOOD:
        _a_good_request_is_answered(f, body, prompt, n)
    for bad, param, what in BAD:
        _a_bad_request_is_refused(f, bad, param, what)


def _answer(f: Candidate, body: bytes, start: Start) -> tuple[int, dict[str, str], Any]:
    """Status, headers with names in small letters, and the pieces of the body."""
    status, headers, chunks = expect_parts(f, f(body, start), "status", "headers", "chunks")
    expect(type(status) is int, "the status should be a whole number, as 200", f, yours=status)
    named = isinstance(headers, dict) and all(isinstance(s, str) for s in
                                              itertools.chain(*headers.items()))  # fmt: skip
    expect(named, 'the headers should be a dict of texts, as {"Content-Type": …}', f,
           yours=headers)  # fmt: skip
    expect(hasattr(chunks, "__iter__") and not isinstance(chunks, str | bytes | dict),
           "the third part should be an iterable of texts, as a list of one", f,
           yours=chunks)  # fmt: skip
    return status, {name.lower(): value for name, value in headers.items()}, chunks


def _read(f: Candidate, chunks: Iterable[str]) -> list[str]:
    """The pieces of the body; an endless one has more than a hundred."""
    got = f.go_on(lambda: list(itertools.islice(chunks, 100)))
    for chunk in got:
        expect(isinstance(chunk, str), "the pieces of the body should be texts, and here one is a "
               f"{type(chunk).__name__}", f, yours=got)  # fmt: skip
    return got


def _a_good_request_is_answered(f: Candidate, body: bytes, prompt: str, n: int) -> None:
    start = Start()
    status, headers, chunks = _answer(f, body, start)
    expect(status == 200, f"this request is as it should be, and the status is {status}", f)
    expect(bool(start.asked), "it never calls start(prompt, max_tokens)", f)
    expect(start.asked == [(prompt, n)], f"it should call start once, with {prompt!r} and {n}", f,
           yours=start.asked)  # fmt: skip
    kind = headers.get("content-type", "")
    expect(kind.startswith("text/event-stream"), f"the Content-Type of events is "
           f"text/event-stream, and here it is {kind or 'missing'}", f)  # fmt: skip
    expect(start.read == 0, "it reads the events itself before it answers: hand on what start "
           "returns", f)  # fmt: skip
    got = _read(f, chunks)
    right = [event("a"), DONE]
    expect(got == right, "the chunks should be the events of start, as they are", f, yours=got,
           right=right)  # fmt: skip


def _a_bad_request_is_refused(f: Candidate, body: bytes, param: str | None, what: str) -> None:
    start = Start()
    status, headers, chunks = _answer(f, body, start)
    expect(status != 200, f"{what}, and the status is 200", f)
    expect(400 <= status < 500, f"{what}: that is the client's fault, a status from 400 to 499, "
           f"and here it is {status}", f)  # fmt: skip
    expect(not start.asked, f"{what}, and the model is started all the same: look first", f)
    kind = headers.get("content-type", "")
    expect(kind.startswith("application/json"), "the Content-Type of the error is "
           f"application/json, and here it is {kind or 'missing'}", f)  # fmt: skip
    _error_is_in_shape(f, "".join(_read(f, chunks)), param)


def _error_is_in_shape(f: Candidate, text: str, param: str | None) -> None:
    try:
        error = json.loads(text)["error"]
        message = error["message"]
        named = error["param"]
        shape = "type" in error and "code" in error
    except (ValueError, TypeError, KeyError):
        shape, message, named = False, "", None
    expect(shape, 'the error should have the shape {"error": {"message": …, "type": …, "param": '
           '…, "code": …}}: `refuse` gives it', f, yours=text)  # fmt: skip
    expect(named == param, f"the error's param is {named!r} and should be {param!r}: the "
           "parameter that is wrong, None if it is the body", f, yours=text)  # fmt: skip
    words = isinstance(message, str) and len(message.split()) >= 4
    expect(words and (param or "") in message, "the message should be a sentence that says what "
           "is needed" + (f", and name {param}" if param else ""), f, yours=text)  # fmt: skip
