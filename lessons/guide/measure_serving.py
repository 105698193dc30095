"""Measures what lesson 15 draws, and writes serving.json beside this file: half a minute.

    python lessons/guide/measure_serving.py [--out FILE]

It starts `python -m tinygpt.serve` with the model that comes with tinygpt, asks it over HTTP as
clients do, and notes when each event arrives. Nothing else should run on the machine; the clients
do, and take a part of it. `--small` asks for less, to try the script.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

from measure_speed import machine

HOME = Path(__file__).resolve().parent / "serving.json"
PROMPT = "In my grandmother's day, Ivy the nosy pig lived"
LENGTHS = [60, 20, 50, 30, 40, 20]  # tokens of the timeline's clients: none of them ends a tale
EVERY = 0.02  # seconds from one client to the next
STREAMS = [1, 2, 4, 8, 16, 32]
TOKENS = 64  # of each stream


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def server(places: int) -> Iterator[int]:
    """The port of a server that draws for so many at a time, until the block ends."""
    port = free_port()
    options = ["--port", str(port), "--batch-size", str(places)]
    command = [sys.executable, "-m", "tinygpt.serve", *options]
    quiet = {**os.environ, "TINYGPT_LOG_LEVEL": "warning"}
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(command, env=quiet, stdout=nowhere, stderr=nowhere)
    try:
        until = time.monotonic() + 60
        while not ready(port):
            if process.poll() is not None or time.monotonic() > until:
                sys.exit(f"error: {' '.join(command)} does not answer; run it and see why")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def ready(port: int) -> bool:
    try:
        line = HTTPConnection("127.0.0.1", port, timeout=10)
        line.request("GET", "/ready")
        return line.getresponse().status == 200
    except OSError:
        return False


class Arrivals(NamedTuple):
    """When a request was sent, when its events came (by time.perf_counter), and how many tokens
    there were with each."""

    sent: float
    came: list[float]
    tokens: list[int]


def arrivals(port: int, tokens: int, seed: int, wait: float = 0.0) -> Arrivals:
    """Ask for a text of so many tokens, and read it as it comes."""
    time.sleep(wait)
    body = {"prompt": PROMPT, "max_new_tokens": tokens, "stream": True, "seed": seed}
    line = HTTPConnection("127.0.0.1", port, timeout=60)
    sent = time.perf_counter()
    line.request("POST", "/generate", json.dumps(body), {"Content-Type": "application/json"})
    response = line.getresponse()
    if response.status != 200:
        sys.exit(f"error: the server answers {response.status}: {response.read().decode()}")
    done = Arrivals(sent, [], [])
    for row in response:
        if row.startswith(b"data: {"):
            done.came.append(time.perf_counter())
            done.tokens.append(json.loads(row[len("data: ") :])["token_count"])
    if done.tokens[-1] != tokens:
        sys.exit(f"error: a text has {done.tokens[-1]} tokens and not {tokens}; ask for fewer")
    return done


def timeline(port: int) -> list[dict[str, Any]]:
    """Clients that come one after the other: milliseconds since the first of them asked."""
    with ThreadPoolExecutor(len(LENGTHS)) as clients:
        jobs = [
            clients.submit(arrivals, port, n, seed, seed * EVERY) for seed, n in enumerate(LENGTHS)
        ]
        done = [job.result() for job in jobs]
    begin = done[0].sent
    return [
        {"sent": ms(one.sent - begin), "events": [ms(t - begin) for t in one.came]} for one in done
    ]


def ms(seconds: float) -> float:
    return round(1000 * seconds, 1)


def side_by_side(port: int, streams: int) -> tuple[float, float]:
    """Tokens a second of the median stream, after its first token, and of all together."""
    with ThreadPoolExecutor(streams) as clients:
        done = list(clients.map(lambda seed: arrivals(port, TOKENS, seed), range(streams)))
    each = statistics.median(
        (one.tokens[-1] - one.tokens[0]) / (one.came[-1] - one.came[0]) for one in done
    )
    whole = max(one.came[-1] for one in done) - min(one.sent for one in done)
    return each, streams * TOKENS / whole


def speeds(port: int, streams: list[int], rounds: int) -> dict[str, list[int]]:
    """By the number of streams, the best of some rounds; a round before them warms up."""
    seen = [[side_by_side(port, n) for n in streams] for _ in range(1 + rounds)][1:]
    best = [
        [round(max(a_round[i][which] for a_round in seen)) for i in range(len(streams))]
        for which in (0, 1)
    ]
    return {"n": streams, "each": best[0], "together": best[1]}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what lesson 15 draws.")
    parser.add_argument("--out", type=Path, default=HOME)
    parser.add_argument("--small", action="store_true", help="less of everything, to try it")
    args = parser.parse_args()
    measured: dict[str, Any] = {"machine": machine()}
    with server(places=2) as port:
        timeline(port)  # warms up
        measured["timeline"] = timeline(port)
    with server(places=32) as port:
        streams, rounds = (STREAMS[:2], 1) if args.small else (STREAMS, 3)
        measured["streams"] = speeds(port, streams, rounds)
    text = json.dumps(measured, ensure_ascii=False) + "\n"
    args.out.write_text(text, encoding="utf-8", newline="\n")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
