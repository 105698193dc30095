"""A server before clients of all kinds for minutes on end: does it hold?

    python benchmarks/soak.py [--minutes 10] [--checkpoint PATH] [--clients 12] [--seed 1]

Clients ask for streams, several texts, log-probabilities, chats, scores of prompts and what the
playground shows; they send nonsense, and they hang up. Every text with a seed that comes again must
come out the same. At the end: memory within 5 % of what it was after three tenths of the time, as
many threads and open files as then, no answer of status 500, and /health answered all the time.
"""

import argparse
import http.client
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROMPTS = ("Once upon a time", "The old king", "Mia and her dog", "In the forest, été 😀")
SLOWEST = 1.0  # seconds that /health may take when two cores are shared by all clients
Answer = tuple[int, str]


class Soak:
    """A server's process, and what its clients have seen so far."""

    def __init__(self, url: str, pid: int) -> None:
        self.url, self.pid = url, pid
        self.over = threading.Event()  # clients stop
        self.quiet = threading.Event()  # clients rest, so that resources can be counted
        self.resting = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.texts: dict[str, str] = {}
        self.waits: list[float] = []  # seconds that /health took
        self._lock = threading.Lock()

    def ask(self, path: str, body: object = None, raw: bytes | None = None) -> Answer:
        """Status and text of an answer."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                told = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            told = error.code, error.read().decode()
        with self._lock:
            self.seen[f"{path} {told[0]}"] += 1
            if told[0] >= 500 or (told[0] >= 400 and '"code":' not in told[1]):
                self.wrong.append(f"{path} {told}")
        return told

    def same(self, key: str, text: str) -> None:
        """What was asked for before, with the same seed, must be said again."""
        with self._lock:
            if self.texts.setdefault(key, text) != text:
                self.wrong.append(f"{key} was {self.texts[key]!r} and is {text!r}")

    def watch_health(self) -> None:
        """Ask /health ten times a second."""
        while not self.over.wait(0.1):
            started = time.perf_counter()
            status, _ = self.ask("/health")
            self.waits.append(time.perf_counter() - started)
            if status != 200:
                self.wrong.append(f"/health said {status}")

    def client(self, seed: int) -> None:
        """Ask for one thing after the other."""
        chance = random.Random(seed)
        while not self.over.is_set():
            try:
                chance.choice(TRAFFIC)(self, chance)
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(f"a connection was lost: {error!r}")
            if self.quiet.is_set():
                self.resting.release()
                self.go_on.wait()

    def resources(self, clients: int) -> tuple[float, int, int]:
        """Memory in MiB, open files and threads of the server while all clients rest."""
        self.go_on.clear()
        self.quiet.set()
        for _ in range(clients):
            self.resting.acquire()
        while not re.search(r"^tinygpt_running 0\.0$", self.ask("/metrics")[1], re.M):
            time.sleep(0.1)
        time.sleep(1)  # sockets are closed
        status = Path(f"/proc/{self.pid}/status").read_text()
        memory = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
        threads = int(re.search(r"Threads:\s+(\d+)", status)[1])  # type: ignore[index]
        files = len(list(Path(f"/proc/{self.pid}/fd").iterdir()))
        self.quiet.clear()
        self.go_on.set()
        return memory, files, threads


def one_text(soak: Soak, chance: random.Random) -> None:
    prompt, seed, new = chance.choice(PROMPTS), chance.randrange(8), chance.choice([20, 60])
    body = {"prompt": prompt, "seed": seed, "max_new_tokens": new}
    status, text = soak.ask("/generate", body)
    if status == 200:
        soak.same(f"{prompt} {seed} {new}", json.loads(text)["generated_text"])


def a_stream(soak: Soak, chance: random.Random) -> None:
    prompt, seed, new = chance.choice(PROMPTS), chance.randrange(8), chance.choice([20, 60])
    body = {"prompt": prompt, "seed": seed, "max_new_tokens": new, "stream": True}
    status, text = soak.ask("/generate", body)
    if status == 200:
        *events, done = [line[6:] for line in text.splitlines() if line]
        if done != "[DONE]":
            soak.wrong.append(f"a stream ended with {done!r}")
        told = "".join(json.loads(event)["text"] for event in events)
        soak.same(f"{prompt} {seed} {new}", told)


def several(soak: Soak, chance: random.Random) -> None:
    body = {
        "prompt": [*PROMPTS],
        "n": chance.randrange(1, 4),
        "max_tokens": 20,
        "logprobs": chance.choice([None, 0, 5]),
        "stream": chance.random() < 0.5,
    }
    soak.ask("/v1/completions", body)


def a_chat(soak: Soak, chance: random.Random) -> None:
    messages = [{"role": "user", "content": chance.choice(PROMPTS)}]
    body = {"messages": messages, "max_tokens": 30, "logprobs": True, "top_logprobs": 3}
    soak.ask("/v1/chat/completions", body | {"stream": chance.random() < 0.5})


def a_score(soak: Soak, chance: random.Random) -> None:
    ids = [[chance.randrange(200) for _ in range(chance.randrange(1, 100))] for _ in range(3)]
    body = {"prompt": ids, "echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0}
    soak.ask("/v1/completions", body)


def the_playground(soak: Soak, chance: random.Random) -> None:
    ids = [chance.randrange(200) for _ in range(chance.randrange(2, 80))]
    soak.ask("/playground/attention", {"ids": ids, "layer": 0, "head": 0})
    soak.ask("/playground/pulls", {"ids": ids, "position": len(ids) - 1})
    for path in ("/", "/playground/model", "/v1/models", "/metrics", "/openapi.json"):
        soak.ask(path)


def nonsense(soak: Soak, chance: random.Random) -> None:
    raw = chance.choice(
        [b"{", b"[" * 100_000, b'{"temperature": NaN}', b'{"prompt": "\\ud800"}', b" " * 3_000_000,
         b'{"top_k": 0}', b'{"nonsense": 1}', bytes(chance.randrange(256) for _ in range(100))]
    )  # fmt: skip
    soak.ask(chance.choice(["/generate", "/v1/completions", "/v1/chat/completions"]), raw=raw)
    soak.ask("/nowhere")


def hang_up(soak: Soak, chance: random.Random) -> None:
    stream = chance.random() < 0.7
    body = json.dumps({"prompt": "Once", "max_new_tokens": 4000, "eos_id": -1, "stream": stream})
    whole = (
        "POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    cut = chance.choice([chance.randrange(len(whole)), len(whole), len(whole)])
    host, port = soak.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as wire:
        wire.sendall(whole[:cut])
        if cut == len(whole) and stream:
            wire.recv(chance.randrange(1, 5000))
        time.sleep(chance.random() / 10)
    soak.seen["clients that hung up"] += 1


TRAFFIC: list[Callable[[Soak, random.Random], None]] = [
    one_text, a_stream, several, a_chat, a_score, the_playground, nonsense, hang_up
]  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Start the server, let the clients loose, count at three tenths and at the end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--checkpoint", help="default: the shipped model")
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    words = ["--port", "0", "--log-level", "error"]
    words += ["--checkpoint", args.checkpoint] if args.checkpoint else []
    with subprocess.Popen(
        [sys.executable, "-m", "tinygpt.serve", *words], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+:\d+", server.stdout.readline())
            assert found is not None, "the server did not say where it listens"
            return soak_for(args.minutes * 60, Soak(found[0], server.pid), args)
        finally:
            server.terminate()


def soak_for(seconds: float, soak: Soak, args: argparse.Namespace) -> int:
    """The whole run, and its report."""
    seeds = range(args.seed, args.seed + args.clients)
    clients = [threading.Thread(target=soak.client, args=[s], daemon=True) for s in seeds]
    started = time.perf_counter()
    for thread in [*clients, threading.Thread(target=soak.watch_health, daemon=True)]:
        thread.start()
    counted = []
    for tenths in range(1, 11):
        soak.over.wait(max(0.0, started + seconds * tenths / 10 - time.perf_counter()))
        counted.append(soak.resources(args.clients))
        memory, files, threads = counted[-1]
        minute = (time.perf_counter() - started) / 60
        sys.stdout.write(
            f"minute {minute:5.1f}: {memory:.1f} MiB, {files} open files, {threads} threads, "
            f"{sum(soak.seen.values())} requests\n"
        )
        sys.stdout.flush()
    soak.over.set()
    for thread in clients:
        thread.join(150)
    return report(soak, counted[2], counted[-1])


def report(soak: Soak, before: tuple[float, int, int], after: tuple[float, int, int]) -> int:
    """Say what was seen; 1 if anything is wrong."""
    for what, count in sorted(soak.seen.items()):
        sys.stdout.write(f"{count:8} {what}\n")
    waits = sorted(soak.waits)
    p99, slowest = waits[int(len(waits) * 0.99)], waits[-1]
    sys.stdout.write(f"/health: p99 {p99 * 1000:.0f} ms, slowest {slowest * 1000:.0f} ms\n")
    growth = after[0] / before[0] - 1
    sys.stdout.write(f"memory since three tenths: {growth:+.1%} (at most +5 %)\n")
    if growth > 0.05:
        soak.wrong.append("memory grows")
    if after[1:] != before[1:]:
        soak.wrong.append(f"open files and threads were {before[1:]} and are {after[1:]}")
    if slowest > SLOWEST:
        soak.wrong.append(f"/health once took {slowest:.2f} s")
    for line in soak.wrong[:20]:
        sys.stdout.write(f"WRONG: {line[:500]}\n")
    sys.stdout.write(f"{len(soak.wrong)} wrong\n")
    return int(bool(soak.wrong))


if __name__ == "__main__":
    sys.exit(main())
