"""What arrives on the wire that no good client sends: each is answered, and the server lives."""

import json
import socket
import struct

import httpx
import pytest
from server_process import JSON, alone, save_small_model, served

from tinygpt.serve.schemas import ErrorBody

BODY = b'{"prompt": "Once", "seed": 4, "max_new_tokens": 9}'


@pytest.fixture(scope="module")
def model_and_server(tmp_path_factory):
    path = tmp_path_factory.mktemp("wire") / "small.h5"
    model = save_small_model(path)
    with served(path) as server:
        yield model, server
        assert not any("traceback" in record for record in server.records())


@pytest.fixture
def server(model_and_server):
    """The server, which still answers afterwards, and right."""
    model, server = model_and_server
    yield server
    told = httpx.post(server.url + "/generate", content=BODY, headers=JSON, timeout=60).json()
    assert told["generated_text"] == alone(model, "Once", 4, max_new_tokens=9).text


def connected(server):
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def request(body, *headers, path="/generate", version="1.1", method="POST"):
    """A request as bytes."""
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", "Content-Type: application/json"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def read_answer(stream):
    """The status and body of the next answer of a connection."""
    status = int(stream.readline().split()[1])
    headers = {}
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    return status, stream.read(int(headers[b"content-length"]))


def said(body):
    return json.loads(body)["generated_text"]


def length(body):
    return f"Content-Length: {len(body)}"


@pytest.mark.parametrize("path", ["/generate", "/v1/completions", "/v1/chat/completions"])
@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"prompt": ' + b'{"a": ' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b"[" * 100_000,
        b'{"messages": [{"role": "user", "content": "\\ud83d"}], "prompt": "\\ud83d"}',
        b'{"messages": "\xed\xa0\x80", "prompt": "\xed\xa0\x80"}',
        b'{"seed": -Infinity}',
        b'{"max_tokens": 1e999, "max_new_tokens": 1e999}',
        b'{"n": 99999999999999999999999999, "top_k": 99999999999999999999999999}',
        '{"messages": "\ud83d", "prompt": "\ud83d"}'.encode("utf-16", "surrogatepass"),
        b"\xef\xbb\xbf{}\x00",
        b"\x00" * 1000,
        b"\x1f\x8b\x08" + b"junk" * 100,
    ],
    ids=["deep list", "deep object", "open", "surrogate", "surrogate in UTF-8", "-Infinity",
         "1e999", "huge", "surrogate in UTF-16", "NUL", "NULs", "gzip"],
)  # fmt: skip
def test_bodies_that_no_client_means(server, path, body):
    answer = httpx.post(server.url + path, content=body, headers=JSON, timeout=60)
    assert answer.status_code == 400, answer.text
    ErrorBody.model_validate(answer.json(), strict=True)


def test_a_body_of_50_megabytes(server):
    for content in (b'{"prompt": "' + b"x" * 50_000_000, (b" " * 10**6 for _ in range(50))):
        answer = httpx.post(server.url + "/generate", content=content, headers=JSON, timeout=60)
        assert answer.status_code == 413
        ErrorBody.model_validate(answer.json(), strict=True)


@pytest.mark.parametrize("expect", [(), ("Expect: 100-continue",)])
def test_a_body_too_large_of_a_client_that_reads_only_afterwards(server, expect):
    body = b" " * 30_000_000
    for _ in range(5):
        with connected(server) as wire, wire.makefile("rb") as answer:
            wire.sendall(request(b"", length(body), "Connection: close", *expect))
            if not expect:
                wire.sendall(body)
            status, told = read_answer(answer)
            assert status == 413
            ErrorBody.model_validate_json(told, strict=True)
            assert answer.read() == b""


def test_a_body_in_chunks_without_a_length(model_and_server, server):
    chunks = (BODY[i : i + 7] for i in range(0, len(BODY), 7))
    answer = httpx.post(server.url + "/generate", content=chunks, headers=JSON, timeout=60)
    assert (
        answer.json()["generated_text"]
        == alone(model_and_server[0], "Once", 4, max_new_tokens=9).text
    )


def test_requests_one_after_the_other_before_any_is_answered(model_and_server, server):
    seeds = range(4, 9)
    bodies = [json.dumps({"prompt": "Once", "seed": s, "max_new_tokens": 9}) for s in seeds]
    with connected(server) as wire, wire.makefile("rb") as answers:
        wire.sendall(b"".join(request(b.encode(), length(b)) for b in bodies))
        for seed in seeds:
            status, body = read_answer(answers)
            own = alone(model_and_server[0], "Once", seed, max_new_tokens=9)
            assert status == 200 and said(body) == own.text


def test_http_1_0(model_and_server, server):
    own = alone(model_and_server[0], "Once", 4, max_new_tokens=9).text
    with connected(server) as wire, wire.makefile("rb") as answer:
        wire.sendall(request(BODY, length(BODY), version="1.0"))
        status, body = read_answer(answer)
        assert status == 200 and said(body) == own
        assert answer.read() == b""  # the server closes
    stream = BODY.replace(b"}", b', "stream": true}')
    with connected(server) as wire, wire.makefile("rb") as answer:
        wire.sendall(request(stream, length(stream), version="1.0"))
        events = [line[6:] for line in answer.read().split(b"\n") if line.startswith(b"data: ")]
        assert events.pop() == b"[DONE]"
        assert "".join(json.loads(event)["text"] for event in events) == own


@pytest.mark.parametrize(
    "half",
    [
        b"PO",
        request(b"")[:40],
        request(BODY[:20], length(BODY)),
        request(b"5\r\n{", "Transfer-Encoding: chunked"),
    ],
    ids=["a method", "headers", "a body", "a chunk"],
)
def test_half_a_request_holds_up_nobody(server, half):
    with connected(server) as wire:
        wire.sendall(half)
        for _ in range(3):
            assert server.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 300,  # TLS
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\nhello\r\n\r\n",
        request(b"", "Content-Length: -1"),
        request(b"", "Content-Length: 12x"),
        request(b"", "Content-Length: " + "9" * 400),
        request(b"zz\r\n", "Transfer-Encoding: chunked"),
        request(b"", "A" * 200_000 + ": b"),
    ],
    ids=["TLS", "version", "no HTTP", "negative length", "no length", "huge length", "bad chunk",
         "long header"],
)  # fmt: skip
def test_what_is_no_http_gets_no_answer_but_4xx(server, sent):
    with connected(server) as wire, wire.makefile("rb") as answer:
        try:
            wire.sendall(sent)
            wire.shutdown(socket.SHUT_WR)
            first = answer.readline()
        except OSError:  # the server has closed it before we had said everything
            return
        assert first == b"" or b" 4" in first, first


def test_a_connection_that_is_reset(server):
    for part in (10, 60, len(request(BODY, length(BODY))) - 5):
        wire = connected(server)
        wire.sendall(request(BODY, length(BODY))[:part])
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()
