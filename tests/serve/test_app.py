"""What only an app in this process shows: failures that nobody foresaw, and a chat's end."""

import asyncio
import logging

import httpx
import pytest
from server_process import BYTES, alone, small_model

from tinygpt.serve import chat
from tinygpt.serve.app import create_app
from tinygpt.serve.settings import read_settings


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
