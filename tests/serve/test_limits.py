"""Keys, a full queue, clients that go, and the end of a server: each with a server of its own."""

import json
import signal
import socket
import threading

import httpx
import pytest
from server_process import alone, events, save_small_model, served

from tinygpt.checkpoint import load_model

HI = [{"role": "user", "content": "Hi"}]
ENDLESS = {"max_new_tokens": 1500, "eos_id": -1, "stream": True}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("limits") / "small.h5"
    save_small_model(path)
    return path


@pytest.fixture(scope="module")
def five(checkpoint):
    with served(checkpoint, "--max-new-tokens", "5") as server:
        yield server


def test_the_key_opens_everything_and_nothing_else_does(checkpoint):
    with served(checkpoint, TINYGPT_API_KEY="clé") as server:
        for path in ("/v1/models", "/metrics", "/playground/model", "/nowhere"):
            for headers in (
                {},
                {"X-API-Key": ""},
                {"X-API-Key": "cle"},
                {"Authorization": "Bearer"},
                {"Authorization": b"Bearer cl\xc3"},
                {"Authorization": "clé".encode()},
                {"Authorization": "Basic clé".encode()},
            ):
                refused = server.get(path, headers=headers)
                assert refused.status_code == 401, (path, headers)
                assert refused.json()["error"]["code"] == "invalid_api_key"
                assert refused.headers["www-authenticate"] == "Bearer"
            for headers in (
                {"X-API-Key": "clé".encode()},
                {"Authorization": "Bearer clé".encode()},
                {"Authorization": "bearer  clé".encode()},
            ):
                assert server.get(path, headers=headers).status_code != 401
        for path in ("/health", "/ready", "/openapi.json", "/"):
            assert server.get(path).status_code == 200
        # who has the key may come by any name
        named = {"Host": "model.example", "X-API-Key": "clé".encode()}
        assert server.get("/v1/models", headers=named).status_code == 200
        # public to read alone; and a body is not even read without a key
        assert server.post("/", {}).status_code == 401
        assert server.post("/health", {}).status_code == 405
        assert server.post("/generate", {"prompt": "x" * 2_000_000}).status_code == 401
        assert not any("cl" in record.get("message", "") for record in server.records())


class Reader(threading.Thread):
    """Reads a stream to its end, in a thread; `lines` are those so far."""

    def __init__(self, server, body, path="/generate"):
        super().__init__(daemon=True)
        self.url, self.body, self.lines = server.url + path, body, []
        self.start()

    def run(self):
        with httpx.stream("POST", self.url, json=self.body, timeout=60) as answer:
            self.status = answer.status_code
            for line in answer.iter_lines():
                self.lines.append(line)


def test_a_full_queue_is_429_and_nothing_is_lost(checkpoint):
    with served(checkpoint, "--batch-size", "1", "--queue-size", "1") as server:
        readers = [Reader(server, ENDLESS | {"seed": 1})]
        server.until(lambda: server.metric("tinygpt_running") == 1)
        readers.append(Reader(server, ENDLESS | {"seed": 2}))
        server.until(lambda: server.metric("tinygpt_waiting") == 1)
        for path, body in (
            ("/generate", {}),
            ("/v1/completions", {"stream": True}),
            ("/v1/completions", {"prompt": "a", "echo": True, "logprobs": 1, "max_tokens": 0}),
        ):
            refused = server.post(path, body)
            assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
            assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        for reader in readers:
            reader.join(120)
            *pieces, done = events(reader.lines)
            assert done == "[DONE]" and pieces[-1]["token_count"] == 1500


@pytest.mark.parametrize("stream", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_client_that_hangs_up_frees_its_places(checkpoint, stream):
    body = json.dumps(ENDLESS | {"stream": stream}).encode()
    with served(checkpoint, "--batch-size", "2") as server:
        host, port = server.url.removeprefix("http://").split(":")
        head = f"POST /generate HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        sockets = [socket.create_connection((host, int(port))) for _ in range(4)]
        for one in sockets:  # two run, two wait
            one.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        server.until(lambda: server.metric("tinygpt_running") == 2)
        server.until(lambda: server.metric("tinygpt_waiting") == 2)
        for one in sockets:
            one.close()
        server.until(
            lambda: server.metric("tinygpt_running") + server.metric("tinygpt_waiting") == 0
        )
        assert server.metric("tinygpt_generated_tokens_total") < 4 * 1500
        page = server.get("/metrics").text
        assert 'tinygpt_errors_total{code="client_gone"} 4.0' in page
        assert not any("traceback" in record for record in server.records())


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 0), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)],
)
def test_a_server_that_is_stopped_ends_its_streams(checkpoint, number, status):
    with served(checkpoint, "--grace-seconds", "0", "--max-new-tokens", "900000") as server:
        readers = [
            Reader(server, ENDLESS | {"max_new_tokens": 900_000}),
            Reader(server, ENDLESS | {"max_new_tokens": 900_000, "stream": False}),
        ]
        server.until(lambda: readers[0].lines and server.metric("tinygpt_running") == 2)
        assert server.stopped(number) == status
        for reader in readers:
            reader.join(30)
        last = events(readers[0].lines)[-1]
        assert last["error"]["code"] == "server_closing"
        assert readers[1].status == 503
        assert json.loads("".join(readers[1].lines))["error"]["code"] == "server_closing"
        assert not any("traceback" in record for record in server.records())


@pytest.mark.slow
def test_a_server_that_is_stopped_lets_short_texts_end(checkpoint):
    with served(checkpoint, "--grace-seconds", "60") as server:
        reader = Reader(server, ENDLESS | {"prompt": "Once", "seed": 1})
        server.until(lambda: reader.lines)
        assert server.stopped(signal.SIGTERM) == 0
        reader.join(30)
        *pieces, done = events(reader.lines)
        assert done == "[DONE]" and pieces[-1]["token_count"] == 1500


@pytest.mark.slow
def test_other_sites_may_call_where_they_are_named(checkpoint):
    with served(checkpoint, "--cors-origins", "http://a.example, http://b.example") as server:
        for origin, allowed in (("http://b.example", "http://b.example"), ("http://c", None)):
            asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            answer = httpx.options(server.url + "/generate", headers=asked)
            assert answer.headers.get("access-control-allow-origin") == allowed


@pytest.mark.slow
def test_chat_with_roles(checkpoint):
    with served(checkpoint, "--chat-template", "roles") as server:
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9, "seed": 1}
        told = server.post("/v1/chat/completions", body).json()
        own = alone(load_model(checkpoint, dtype="float64")[0], "User: Hi\nAssistant:", 1,
                    max_new_tokens=9, temperature=1.0)  # fmt: skip
        assert told["choices"][0]["message"]["content"] == own.text


@pytest.mark.parametrize(
    ("path", "body", "name", "schema"),
    [
        ("/generate", {"eos_id": -1}, "max_new_tokens", "GenerateBody"),
        ("/v1/completions", {"prompt": "a"}, "max_tokens", "CompletionBody"),
        ("/v1/chat/completions", {"messages": HI}, "max_completion_tokens", "ChatBody"),
    ],
)
def test_no_answer_is_longer_than_the_server_allows(five, path, body, name, schema):
    described = five.get("/openapi.json").json()["components"]["schemas"][schema]
    assert described["properties"][name]["maximum"] == 5
    unsaid, most = (
        five.post(path, body | {"seed": 1} | wanted).json() for wanted in ({}, {name: 5})
    )
    assert unsaid.get("choices", unsaid) == most.get("choices", most)
    refused = five.post(path, body | {name: 6})
    assert refused.status_code == 400 and refused.json()["error"]["param"] == name
    assert "at most 5" in refused.json()["error"]["message"]
