"""What only an app in this process shows: failures that nobody foresaw, and a chat's end."""

import asyncio
import json
import logging
import threading

import httpx
import pytest
from server_process import BYTES, alone, small_model

from tinygpt.serve import chat, completions, playground, server
from tinygpt.serve.app import create_app
from tinygpt.serve.settings import read_settings


def listening(ask):
    """What ask(open_one) says of a server in this process; open_one() connects to it."""

    async def serve():
        settings = read_settings(port=0)
        with server.listen(settings) as listener:
            app = create_app(settings, small_model(), BYTES, "small")
            one = server.Server(app, settings, listener)
            running = asyncio.create_task(one.serve([listener]))
            while not one.started:
                await asyncio.sleep(0.01)
            address = listener.getsockname()
            told = await asyncio.wait_for(ask(lambda: asyncio.open_connection(*address)), 10)
            one.should_exit = True
            await running
            return told

    return asyncio.run(serve())


HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("begun", [b"", b"GET /health HT", HEALTH + HEALTH[:-2]])
def test_a_head_that_does_not_come_is_not_waited_for(monkeypatch, begun):
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)

    async def ask(open_one):
        reader, writer = await open_one()
        writer.write(begun)
        told = await reader.read()
        writer.close()
        return told

    assert listening(ask).count(b"HTTP/1.1 200 OK") == begun.count(HEALTH)


def test_an_answer_may_take_longer_than_a_head(monkeypatch):
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)
    body = b'{"prompt": "a", "max_new_tokens": 1000, "eos_id": -1}'
    head = "POST /generate HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\n"

    async def ask(open_one):
        reader, writer = await open_one()
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        told = await reader.read()
        writer.close()
        return told

    assert b'"token_count":1000' in listening(ask)


def test_one_connection_too_many_is_told_so(monkeypatch):
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2)

    async def ask(open_one):
        idle = [await open_one() for _ in range(2)]
        reader, writer = await open_one()
        refused = await reader.read()
        idle[0][1].write(HEALTH)  # the others are served as before
        served = await idle[0][0].readuntil(b'{"status":"ok"}')
        for _, one in (*idle, (reader, writer)):
            one.close()
        return refused, served

    refused, answered = listening(ask)
    assert refused.startswith(b"HTTP/1.1 503 ") and answered.startswith(b"HTTP/1.1 200 ")


@pytest.fixture
def quiet(caplog):
    """The log of what is expected here."""
    caplog.set_level(logging.CRITICAL, "tinygpt.serve")
    caplog.set_level(logging.ERROR, "asyncio")


def asked(model, tokenizer, body, path="/generate", **settings):
    """The answer of an app with this model and tokenizer."""

    async def ask():
        app = create_app(read_settings(**settings), model, tokenizer, "small")
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://localhost", timeout=60
            ) as client,
        ):
            return await client.post(path, json=body)

    return asyncio.run(ask())


class Broken:
    """A tokenizer that fails where this is looked up."""

    def __init__(self, name):
        self._name, self.lookups = name, 0

    def __getattr__(self, name):
        if name == self._name:
            self.lookups += 1
            raise RuntimeError("a secret of the inside")
        return getattr(BYTES, name)


def test_a_failure_that_nobody_foresaw_is_500_in_the_one_shape(quiet):
    answer = asked(small_model(), Broken("encode"), {"prompt": "a"})
    assert answer.status_code == 500 and answer.headers["x-request-id"]
    assert answer.json()["error"]["code"] == "internal_error"
    assert "secret" not in answer.text


def test_weights_that_are_no_numbers_are_said_to_be_none():
    model = small_model()
    model.flat[:] = float("nan")
    scored = {"prompt": "ab", "echo": True, "logprobs": 1, "max_tokens": 0}
    for path, body in (
        ("/generate", {"prompt": "a"}),
        ("/v1/completions", scored),
        ("/playground/stream", {"prompt": "ab"}),
        ("/playground/pulls", {"ids": [1, 2], "position": 1}),
    ):
        answer = asked(model, BYTES, body, path)
        assert answer.status_code == 500, path
        assert answer.json()["error"]["code"] == "model_error"
        assert "weights are damaged" in answer.json()["error"]["message"]


def test_no_answer_is_longer_than_the_setting_says():
    model, said = small_model(), {"messages": [{"role": "user", "content": "a"}]}
    endless = {"eos_id": -1, "seed": 1}
    told = asked(model, BYTES, endless, max_new_tokens=7).json()
    assert told["token_count"] == 7 and told["finish_reason"] == "length"
    for path, body, param in (
        ("/generate", {}, "max_new_tokens"),
        ("/v1/completions", {}, "max_tokens"),
        ("/v1/chat/completions", said, "max_tokens"),
        ("/v1/chat/completions", said, "max_completion_tokens"),
    ):
        refused = asked(model, BYTES, {**body, param: 8}, path, max_new_tokens=7)
        assert refused.status_code == 400 and refused.json()["error"]["param"] == param, path
        assert asked(model, BYTES, {**body, param: 7}, path, max_new_tokens=7).status_code == 200
    short = asked(model, BYTES, {"prompt": "a", "seed": 1}, "/v1/completions", max_new_tokens=2)
    assert short.json()["usage"]["completion_tokens"] <= 2


@pytest.mark.parametrize("stream", [True, False])
def test_a_failure_in_the_middle_ends_the_text_with_an_error(quiet, stream):
    body = {"prompt": "a", "stream": stream, "seed": 1, "max_new_tokens": 5}
    answer = asked(small_model(), Broken("token_bytes"), body)
    assert answer.status_code == (200 if stream else 500)
    assert "internal_error" in answer.text and "[DONE]" not in answer.text
    assert "secret" not in answer.text


@pytest.mark.parametrize("stop", [None, "zzz", ["zzz", "yyy"]])
def test_with_roles_the_answer_ends_where_the_model_would_speak_for_the_user(monkeypatch, stop):
    sampling = {"max_new_tokens": 30, "temperature": 1.0}
    text = alone(small_model(), "User: Hi\nAssistant:", 1, **sampling).text
    monkeypatch.setattr(chat, "USERS_TURN", text[9:12])
    messages = [{"role": "user", "content": "Hi"}]
    body = {"messages": messages, "seed": 1, "max_tokens": 30, "stop": stop}
    path, model = "/v1/chat/completions", small_model()
    (choice,) = asked(model, BYTES, body, path, chat_template="roles").json()["choices"]
    assert choice["message"]["content"] == text[: text.index(text[9:12])]
    assert choice["finish_reason"] == "stop"


def test_of_a_request_that_failed_nothing_more_is_drawn(quiet):
    tokenizer = Broken("token_bytes")
    body = {"prompt": [97], "n": 128}
    assert asked(small_model(), tokenizer, body, "/v1/completions", batch_size=1).status_code == 500
    assert 1 <= tokenizer.lookups < 64  # the next may have begun before the first was known


def test_a_model_whose_training_diverged_is_said_so():
    model = small_model()
    model.flat[:] = float("nan")
    answer = asked(model, BYTES, {"prompt": "a"})
    assert answer.status_code == 500
    error = answer.json()["error"]
    assert error["code"] == "model_error" and "diverged" in error["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": [[97], [98]], "echo": True, "logprobs": 0}),
        ("/playground/stream", {"prompt": "abc"}),
        ("/playground/attention", {"ids": [97, 98], "layer": 0, "head": 0}),
        ("/playground/pulls", {"ids": [97, 98], "position": 1}),
    ],
)
def test_nothing_is_computed_for_a_client_that_has_gone(monkeypatch, path, body):
    looked = []
    for module, name in (
        (completions, "expectations"), (playground, "expectations"),
        (playground, "attention_maps"), (playground, "loss_pulls"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, lambda *_: looked.append(path))
    begun, go_on = threading.Event(), threading.Event()

    def hold():
        begun.set()
        assert go_on.wait(30)

    async def ask():
        app = create_app(read_settings(), small_model(), BYTES, "small")
        engine, statuses = app.state.engine, []
        messages = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

        async def receive():
            if messages:
                return messages.pop()
            while engine.waiting == 0:
                await asyncio.sleep(0)
            return {"type": "http.disconnect"}

        async def send(message):
            statuses.append(message.get("status"))

        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
            "query_string": b"", "headers": [(b"content-type", b"application/json")],
        }  # fmt: skip
        async with app.router.lifespan_context(app):
            holding = asyncio.create_task(engine.run(hold))
            await asyncio.to_thread(begun.wait, 30)
            await asyncio.wait_for(app(scope, receive, send), 30)  # ends while the engine is held
            go_on.set()
            await holding
            await engine.run(lambda: None)  # whatever waited has had its turn
        return statuses[0]

    assert asyncio.run(ask()) == 499
    assert looked == []
