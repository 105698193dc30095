"""Many clients at once: each gets its own text, and those who go leave nothing behind."""

import json
import random
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from server_process import alone, events, save_small_model, served

from tinygpt.checkpoint import find_checkpoint, load_model
from tinygpt.generation import generate_text

PROMPTS = ("Once upon a time", "The old king", "Mia and her dog", "In the forest,")
SETTINGS = ({}, {"temperature": 1.2, "top_k": 40}, {"top_p": 0.9, "repetition_penalty": 1.2},
            {"temperature": 0.5, "stop": "."})  # fmt: skip
STREAMS = 32
ENDLESS = {"max_new_tokens": 3000, "eos_id": -1}


def at_once(function, count):
    """What the function says of 0 .. count - 1, all called at the same moment."""
    ready = threading.Barrier(count)

    def call(i):
        ready.wait(60)
        return function(i)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def read_stream(server, body):
    """The text of a stream from /generate, which must come to its end."""
    with httpx.stream("POST", server.url + "/generate", json=body, timeout=120) as answer:
        *pieces, done = events(answer.iter_lines())
    assert done == "[DONE]" and pieces[-1]["finish_reason"] in ("stop", "length")
    return "".join(piece["text"] for piece in pieces)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "least"), [("float64", 32), ("float32", 31)])
def test_32_streams_of_the_shipped_model_are_as_when_alone(dtype, least):
    path = find_checkpoint(None)
    model, tokenizer = load_model(path, dtype=dtype)

    def asked(i):
        return PROMPTS[i % 4], {"max_new_tokens": 60, **SETTINGS[i // 4 % 4]}

    most = 0
    over = threading.Event()

    def count_running(server):
        nonlocal most
        while not over.wait(0.05):
            most = max(most, server.metric("tinygpt_running"))

    def streamed(i):
        prompt, settings = asked(i)
        return read_stream(server, {"prompt": prompt, "seed": i, "stream": True, **settings})

    with served(path, "--dtype", dtype) as server:
        watcher = threading.Thread(target=count_running, args=[server])
        watcher.start()
        texts = at_once(streamed, STREAMS)
        over.set()
        watcher.join()
    assert most > 1  # side by side, or this would prove nothing
    own = []
    for i in range(STREAMS):
        prompt, settings = asked(i)
        stop = [settings.pop("stop")] if "stop" in settings else []
        own.append(generate_text(model, tokenizer, prompt, seed=i, stop=stop, **settings))
    assert len(set(own)) > 20
    assert sum(a == b for a, b in zip(texts, own, strict=True)) >= least


@pytest.mark.slow
def test_whoever_asks_again_after_429_gets_the_right_text(tmp_path):
    model = save_small_model(tmp_path / "small.h5")
    waits = []

    def ask(seed):
        body = {"prompt": "Once", "seed": seed, "max_new_tokens": 300, "eos_id": -1}
        while True:
            answer = server.post("/generate", body)
            if answer.status_code == 200:
                return answer.json()["generated_text"]
            assert answer.status_code == 429
            assert answer.json()["error"]["code"] == "rate_limit_exceeded"
            waits.append(int(answer.headers["retry-after"]))
            over.wait(waits[-1])

    over = threading.Event()
    with served(tmp_path / "small.h5", "--batch-size", "4", "--queue-size", "4") as server:
        with ThreadPoolExecutor(8) as pool:  # every place is taken before the others come
            body = {"prompt": "Long ago", "stream": True, **ENDLESS}
            first = [pool.submit(read_stream, server, {**body, "seed": i}) for i in range(8)]
            server.until(
                lambda: server.metric("tinygpt_running") + server.metric("tinygpt_waiting") == 8
            )
            texts = at_once(ask, 16)
            streams = [one.result() for one in first]
        assert server.metric("tinygpt_running") == server.metric("tinygpt_waiting") == 0
    assert len(waits) >= 16 and min(waits) >= 1
    for seed, text in enumerate(texts):
        assert text == alone(model, "Once", seed, max_new_tokens=300, eos_id=-1).text
    for seed, text in enumerate(streams):
        assert text == alone(model, "Long ago", seed, **ENDLESS).text


MOST = 900_000  # longer than any test waits
BODIES = [
    ("/generate", {"prompt": "Once", "stream": True, "max_new_tokens": MOST, "eos_id": -1}),
    ("/generate", {"prompt": "Once", "max_new_tokens": MOST, "eos_id": -1}),
    ("/v1/completions", {"prompt": ["a", "b"], "n": 20, "max_tokens": 60, "stream": True}),
    ("/v1/completions", {"prompt": [[79] * 60] * 9, "echo": True, "logprobs": 5, "max_tokens": 4}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}], "n": 40}),
]


def hang_up(server, seed):
    """A client that goes: amid its headers, amid its body, while it waits, or while it reads."""
    chance = random.Random(seed)
    path, body = chance.choice(BODIES)
    sent = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    whole = f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent
    cut = chance.choice([chance.randrange(len(whole)), len(whole), len(whole), len(whole)])
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as wire:
        wire.sendall(whole[:cut])
        if cut == len(whole) and "stream" in body:
            read = b""
            for _ in range(chance.randrange(20)):
                if b"[DONE]" in read or b'"error"' in read:
                    break
                read += wire.recv(chance.randrange(1, 2000))
        if chance.random() < 0.5:  # reset, not closed
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def resources(pid):
    """Memory in KiB, open files, threads of a process."""
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return int(status["VmRSS"].split()[0]), files, int(status["Threads"])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="counts what Linux tells")
def test_200_clients_that_go_leave_no_work_behind(tmp_path):
    model = save_small_model(tmp_path / "small.h5")
    with served(tmp_path / "small.h5", "--max-new-tokens", str(MOST)) as server:

        def crowd(first):
            with ThreadPoolExecutor(20) as pool:
                list(pool.map(lambda seed: hang_up(server, seed), range(first, first + 200)))
            server.until(
                lambda: (
                    server.metric("tinygpt_running") == server.metric("tinygpt_waiting") == 0
                    and server.metric("tinygpt_requests_in_flight") == 1  # this question itself
                )
            )
            return resources(server.process.pid)

        crowd(0)
        before = crowd(200)
        for round in (2, 3, 4):
            after = crowd(200 * round)
        assert after[0] < 1.05 * before[0] and after[1:] == before[1:], (before, after)
        told = server.post("/generate", {"prompt": "Once", "seed": 4, **ENDLESS}).json()
        assert told["generated_text"] == alone(model, "Once", 4, **ENDLESS).text
        assert 'code="client_gone"' in server.get("/metrics").text
        assert not any("traceback" in record for record in server.records())
