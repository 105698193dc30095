"""The server's own endpoints, and that nothing a client sends brings it down."""

import contextlib
import json
import socket

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from server_process import BYTES, CONTEXT, JSON, alone, events, save_small_model, served

from tinygpt.serve import openai_schemas, playground, schemas

LIMIT = 1 << 16


@pytest.fixture(scope="module")
def model_and_server(tmp_path_factory):
    path = tmp_path_factory.mktemp("api") / "small.h5"
    model = save_small_model(path)
    with served(path, TINYGPT_MAX_BODY_BYTES=str(LIMIT), TINYGPT_MAX_NEW_TOKENS="300") as server:
        yield model, server


@pytest.fixture(scope="module")
def server(model_and_server):
    return model_and_server[1]


@pytest.fixture(scope="module")
def model(model_and_server):
    return model_and_server[0]


def refusal(answer, status=400):
    """What an error answer holds; its shape is the one that all have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error = schemas.ErrorBody.model_validate(answer.json()).error
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
    assert len(error.message) < 1000 and "Traceback" not in error.message
    return error


def test_generate_is_what_the_library_says(server, model):
    settings = {"temperature": 0.9, "top_k": 90, "stop": "qz", "max_new_tokens": 30, "logprobs": 2}
    told = server.post("/generate", {"prompt": "Once", "seed": 4, **settings}).json()
    own = alone(model, "Once", 4, **settings)
    assert told.pop("tokens") == [
        {"id": i, "logprob": p.chosen, "best": [[*one] for one in p.best]}
        for i, p in zip(own.ids, own.logprobs, strict=True)
    ]
    assert told == {
        "generated_text": own.text,
        "token_count": len(own.ids),
        "finish_reason": own.finish_reason,
        "seed": 4,
    }


def test_without_a_prompt_the_model_begins_and_the_seed_is_told(server, model):
    told = server.post("/generate", {"max_new_tokens": 20}).json()
    own = alone(model, None, told["seed"], max_new_tokens=20)
    assert told["generated_text"] == own.text


def test_null_is_the_same_as_nothing(server):
    fields = dict.fromkeys(schemas.GenerateBody.model_fields)
    some = {"seed": 4, "max_new_tokens": 9}
    both = [server.post("/generate", body).json() for body in (some, fields | some)]
    assert both[0] == both[1]


def test_2_0_is_2(server):
    some = {"prompt": [79, 110], "seed": 4, "max_new_tokens": 9, "temperature": 1, "top_k": 50}
    other = {"prompt": [79.0, 110], "seed": 4.0, "max_new_tokens": 9.0, "temperature": 1.0}
    both = [server.post("/generate", body).json() for body in (some, other | {"top_k": 5e1})]
    assert both[0] == both[1] and both[0]["token_count"] == 9
    batch = {"prompt": [[79.0], [110]], "max_tokens": 2.0}
    assert server.post("/v1/completions", batch).status_code == 200


def test_a_text_may_outgrow_the_context(server, model):
    settings = {"max_new_tokens": 2 * CONTEXT, "eos_id": -1}
    told = server.post("/generate", {"prompt": "Once", "seed": 1, **settings}).json()
    assert told["generated_text"] == alone(model, "Once", 1, **settings).text
    assert told["token_count"] == 2 * CONTEXT


@pytest.mark.parametrize("logprobs", [None, 1])
@pytest.mark.parametrize("stop", [None, "stop"])
def test_the_pieces_of_a_stream_are_the_whole(server, model, logprobs, stop):
    settings = {"max_new_tokens": 60, "eos_id": -1, "logprobs": logprobs}
    if stop:
        settings["stop"] = alone(model, "Once", 2, **settings).text[20:23]
    body = {"prompt": "Once", "seed": 2, **settings}
    with httpx.stream("POST", server.url + "/generate", json=body | {"stream": True}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        *pieces, done = events(answer.iter_lines())
    own = alone(model, "Once", 2, **settings)
    assert done == "[DONE]"
    assert "".join(piece["text"] for piece in pieces) == own.text
    assert [p.get("finish_reason") for p in pieces] == [None] * (len(pieces) - 1) + [
        own.finish_reason
    ]
    assert pieces[-1]["token_count"] == len(own.ids) and pieces[-1]["seed"] == 2
    tokens = [token for piece in pieces for token in piece.get("tokens", ())]
    assert [token["id"] for token in tokens] == (own.ids if logprobs else [])


def test_tokens_and_back(server):
    text = "né 😀"
    told = server.post("/tokenize", {"prompt": text}).json()
    assert told["tokens"] == BYTES.encode(text) and told["count"] == 8
    assert told["pieces"][0] == "n" and told["pieces"][1] == "�"
    assert told["max_model_len"] == CONTEXT
    assert server.post("/detokenize", {"tokens": told["tokens"]}).json() == {"prompt": text}
    assert refusal(server.post("/detokenize", {"tokens": [257]})).param == "tokens"
    assert server.post("/tokenize", {"prompt": ""}).json()["tokens"] == []


def test_which_tokenizer_it_is(server):
    told = server.get("/tokenizer_info").json()
    assert (told["name"], told["vocab_size"], told["eot_id"]) == ("bytes", 257, 256)
    assert told["eos_token"] == "<|endoftext|>"


def test_health_and_head_and_other_methods(server):
    assert server.get("/health").json() == {"status": "ok"}
    assert server.get("/ready").json() == {"status": "ready"}
    head = httpx.head(server.url + "/health")
    assert head.status_code == 200 and head.content == b""
    for method in ("OPTIONS", "PUT", "GET", "HEAD"):
        refused = httpx.request(method, server.url + "/generate")
        assert refused.status_code == 405 and refused.headers["allow"] == "POST"
    assert refusal(httpx.get(server.url + "/generate"), 405).code == "method_not_allowed"
    assert refusal(server.get("/docs"), 404).code == "not_found"


def test_pages_of_other_sites_are_not_let_in(server):
    answer = server.get("/health", headers={"Origin": "http://elsewhere"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_what_is_counted(server):
    names = ("tinygpt_prompt_tokens_total", "tinygpt_generated_tokens_total",
             "tinygpt_first_token_seconds_count", "tinygpt_token_seconds_count")  # fmt: skip
    before = [server.metric(name) for name in names]
    server.post("/generate", {"prompt": "Once", "max_new_tokens": 5, "eos_id": -1, "seed": 1})
    assert [server.metric(name) - b for name, b in zip(names, before, strict=True)] == [4, 5, 1, 1]
    for kind in ("first_token", "token"):
        assert server.metric(f"tinygpt_{kind}_seconds_sum") > 0
    refusal(server.post("/generate", {"top_k": 0}))
    page = server.get("/metrics").text
    assert 'tinygpt_requests_total{code="400",route="/generate"}' in page
    assert 'tinygpt_errors_total{code="invalid_value"}' in page
    for name in ("tinygpt_running 0.0", "tinygpt_waiting 0.0", "tinygpt_requests_in_flight 1.0"):
        assert name in page


def test_the_log_names_the_request_and_not_what_was_said(server):
    sent = {"X-Request-ID": "mine-1"}
    answer = server.post("/generate", {"prompt": "a secret", "max_new_tokens": 2}, headers=sent)
    assert answer.headers["x-request-id"] == "mine-1"
    server.until(lambda: any("mine-1" in line for line in server.log))
    (record,) = [one for one in server.records() if one.get("request_id") == "mine-1"]
    assert (record["path"], record["status"], record["method"]) == ("/generate", 200, "POST")
    assert not any("a secret" in line for line in server.log)
    odd = server.get("/health", headers={"X-Request-ID": 'a"b'})
    assert odd.headers["x-request-id"] != 'a"b'


BODIES = {
    "deep": b'{"prompt":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "less deep": b'{"prompt":' + b"[" * 900 + b"]" * 900 + b"}",
    "long number": b'{"seed":1' + b"0" * 5000 + b"}",
    "NaN": b'{"temperature": NaN}',
    "Infinity": b'{"temperature": Infinity}',
    "1e400": b'{"temperature": 1e400}',
    "huge": b'{"temperature": 1' + b"0" * 400 + b"}",
    "true": b'{"seed": true}',
    "half a character": b'{"prompt": "\\ud800"}',
    "half a character in a name": b'{"\\ud800": 1}',
    "half a character in a stop": b'{"stop": ["\\udc00"]}',
    "not UTF-8": b'{"prompt": "\xff"}',
    "array": b"[]",
    "null": b"null",
    "empty": b"",
    "cut off": b'{"prompt": "a',
    "two": b"{} {}",
    "unknown name": b'{"promt": "a"}',
    "token as float": b'{"prompt": [1.5]}',
    "more than is drawn": b'{"max_new_tokens": 301}',
    "long stop": json.dumps({"stop": "x" * 201}).encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_cannot_be_is_refused(server, body):
    answer = httpx.post(server.url + "/generate", content=body, headers=JSON)
    assert refusal(answer).type == "invalid_request_error"
    assert server.get("/health").status_code == 200


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "true", '"1"'])
def test_what_is_no_number_is_named(server, number):
    body = f'{{"temperature": {number}}}'.encode()
    error = refusal(httpx.post(server.url + "/generate", content=body, headers=JSON))
    assert (error.param, error.code) == ("temperature", "invalid_value")
    assert error.message.startswith("temperature is ") and "at least 0" in error.message


def test_a_body_that_does_not_say_that_it_is_json_is_refused(server):
    for kind in ("text/plain", "multipart/form-data; boundary=x", "image/png"):
        answer = httpx.post(server.url + "/generate", content=b"{}", headers={"Content-Type": kind})
        assert "not declared to be JSON" in refusal(answer).message
    assert "Content-Type" in refusal(httpx.post(server.url + "/generate", content=b"{}")).message


def test_a_body_too_large_is_refused_declared_or_not(server):
    assert refusal(server.post("/generate", {"prompt": "x" * LIMIT}), 413).code == "body_too_large"
    pieces = (b" " * 1_000_000 for _ in range(50))
    answer = httpx.post(server.url + "/generate", content=pieces, headers=JSON, timeout=60)
    assert refusal(answer, 413).code == "body_too_large"
    assert server.get("/health").status_code == 200


def address(server):
    host, port = server.url.removeprefix("http://").split(":")
    return host, int(port)


@pytest.mark.parametrize(
    ("header", "begun"),
    [("Content-Length: 1000000000", b"{"), ("Transfer-Encoding: chunked", b"%x\r\n" % (2 * LIMIT))],
)
def test_a_body_too_large_is_refused_before_it_ends(server, header, begun):
    with socket.create_connection(address(server), timeout=30) as one:
        head = f"POST /generate HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n"
        one.sendall(head.encode() + begun + b" " * (LIMIT + 1) * (b"\r\n" in begun))
        assert one.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /" + b"a" * (1 << 20),
        b"GET /health HTTP/1.1\r\nX: " + b"a" * (1 << 20),
        b"GET /health HTTP/1.1\r\n" + (b"X: " + b"a" * 1000 + b"\r\n") * 1000,
        b"POST /generate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n" + (b"X: " + b"a" * 1000 + b"\r\n") * 1000,
    ],
)
def test_a_head_without_end_is_refused(server, begun):
    with (
        socket.create_connection(address(server), timeout=10) as one,
        contextlib.suppress(ConnectionError),  # it hangs up before all is sent
    ):
        one.sendall(begun)
        assert one.recv(100).startswith(b"HTTP/1.1 400 ")
    assert server.get("/health").status_code == 200


def test_many_requests_may_follow_each_other_in_one_go(server):
    """They are more bytes than a head may have."""
    one = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1000 + b"\r\n\r\n"
    last = one.replace(b"X: ", b"Connection: close\r\nX: ")
    with socket.create_connection(address(server), timeout=30) as sender:
        sender.sendall(one * 199 + last)
        told = b"".join(iter(lambda: sender.recv(1 << 16), b""))
    assert told.count(b"HTTP/1.1 200 OK") == 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST:9", "[::1]:8000", "127.0.0.2:8000"]
)
def test_this_machine_is_called_by_its_own_names(server, host):
    assert server.get("/playground/model", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example:8000", "localhost.evil.example", "0.0.0.0", "a"],
)
def test_a_foreign_page_whose_name_leads_here_gets_nothing(server, host):
    for path in ("/", "/playground/model", "/v1/models", "/nowhere"):
        error = refusal(server.get(path, headers={"Host": host}), 421)
        assert error.code == "unknown_host" and "TINYGPT_API_KEY" in error.message


def test_a_prompt_too_long_is_refused(server):
    error = refusal(server.post("/generate", {"prompt": "x" * 8193}))
    assert (error.param, error.code) == ("prompt", "prompt_too_long")
    long = server.post("/generate", {"prompt": "x" * 8192, "max_new_tokens": 1})
    assert long.status_code == 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = {
    "/generate": schemas.GenerateBody,
    "/v1/completions": openai_schemas.CompletionBody,
    "/v1/chat/completions": openai_schemas.ChatBody,
    "/tokenize": schemas.TokenizeBody,
    "/detokenize": schemas.DetokenizeBody,
    "/playground/stream": schemas.GenerateBody,
    "/playground/attention": playground.AttentionBody,
    "/playground/pulls": playground.PullsBody,
}


@given(data=st.data())
def test_no_body_brings_the_server_down(server, data):
    path = data.draw(st.sampled_from(sorted(FIELDS)))
    names = st.sampled_from(sorted(FIELDS[path].model_fields)) | st.text(max_size=5)
    body = data.draw(st.dictionaries(names, json_values, max_size=4))
    if path == "/v1/chat/completions" and data.draw(st.booleans()):
        body["messages"] = [{"role": "user", "content": data.draw(st.text(max_size=9))}]
    sent = json.dumps(body).encode("utf-8", "surrogatepass")
    answer = httpx.post(server.url + path, content=sent, headers=JSON, timeout=60)
    if answer.status_code != 200:
        refusal(answer)
    elif "text/event-stream" in answer.headers["content-type"]:
        assert events(answer.text.splitlines())[-1] == "[DONE]"
    assert server.process.poll() is None


def test_a_request_that_needs_more_places_than_there_are_is_refused(server):
    for prompts, n, param in ((["a"] * 200, 2, "prompt"), (["a"] * 20, 100, "n")):
        body = {"prompt": prompts, "n": n, "max_tokens": 1}
        error = refusal(server.post("/v1/completions", body))
        assert (error.code, error.param) == ("too_many_texts", param)
