"""The model alone and behind the server: tokens/s, and how long a client waits.

    python benchmarks/serving.py [--checkpoint PATH] [--streams N] [--tokens N] [--rounds N]

By default 32 texts of the shipped model, 150 tokens each, float32. The contenders take turns: the
model with one text, the model with all texts side by side in one batch, the server with one client
and with as many at once, while another process asks for /health twenty times a second. Server and
clients share the machine's cores. Each one's best round counts for its tokens/s; latencies are
percentiles over the best round's streams and events (at a reader's pace an event may bring several
tokens). Afterwards every text that came through HTTP is compared with what the model says when it
draws that text alone. The table goes to stdout, and with every number to
benchmarks/results/serving.md and serving.json.
"""

import argparse
import asyncio
import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from protocol import say
from race import ROOT, environment, positive

from tinygpt.checkpoint import find_checkpoint, load_model
from tinygpt.config import SamplingConfig
from tinygpt.decoding import draw_together
from tinygpt.generation import Generation
from tinygpt.model import GPT
from tinygpt.probe import gflops
from tinygpt.threads import keep_freed_memory
from tinygpt.tokenizers import Tokenizer

Result = dict[str, Any]


def settings(tokens: int) -> dict[str, Any]:
    """Texts of this length exactly."""
    return {"max_new_tokens": tokens, "temperature": 1.0, "eos_id": -1}


def model_alone(
    model: GPT, tokenizer: Tokenizer, texts: int, tokens: int, *, together: int | None = None
) -> Result:
    """Texts side by side, all or so many `together`, with no engine and no server."""
    sampling = SamplingConfig(**settings(tokens))
    samples = [Generation(model, tokenizer, None, sampling, seed=seed) for seed in range(texts)]
    began = time.perf_counter()
    for _ in draw_together(model, samples, batch_size=together or texts):
        pass
    seconds = time.perf_counter() - began
    return {"tokens_per_second": texts * tokens / seconds, "texts": [s.text for s in samples]}


# ---- the clients, a process of their own


async def stream(port: int, seed: int, tokens: int) -> Result:
    """One text, event by event: when each came, and how many tokens there were by then."""
    body = json.dumps({**settings(tokens), "seed": seed, "stream": True}).encode()
    head = (
        f"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.perf_counter()
    writer.write(head.encode() + body)
    arrived = []
    while data := await reader.read(1 << 16):
        arrived.append((time.perf_counter() - began, data))
    writer.close()
    return {"began": began, **events(arrived)}


def events(arrived: list[tuple[float, bytes]]) -> Result:
    """The events among the bytes: [seconds, tokens so far] of each, and the whole text."""
    told, text, rest = [], [], b""
    for seconds, data in arrived:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                told.append((seconds, event["token_count"]))
                text.append(event["text"])
    return {"events": told, "text": "".join(text), "seconds": arrived[-1][0]}


async def clients(port: int, streams: int, tokens: int) -> Result:
    """So many streams at once: their tokens/s together, and how long each waited."""
    began = time.perf_counter()
    done = await asyncio.gather(*(stream(port, seed, tokens) for seed in range(streams)))
    seconds = time.perf_counter() - began
    gaps = [
        (later - earlier) / (more - fewer)
        for one in done
        for (earlier, fewer), (later, more) in zip(one["events"], one["events"][1:], strict=False)
        if more > fewer
    ]
    return {
        "tokens_per_second": sum(one["events"][-1][1] for one in done) / seconds,
        "first_token": [one["events"][0][0] for one in done],
        "per_token": gaps,
        "texts": [one["text"] for one in done],
    }


def ask_for_health(port: int) -> None:
    """How long each answer of /health took, until stdin closes."""
    waited: list[float] = []
    say({"ready": 1})
    os.set_blocking(0, False)
    while sys.stdin.buffer.read() is None:  # b"" at its end
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        connection.close()
        waited.append(time.perf_counter() - began)
        time.sleep(0.05)
    say({"waited": waited})


# ---- the contenders


def own_process(*flags: object) -> list[str]:
    return [sys.executable, __file__, *map(str, flags)]


def through_http(port: int, streams: int, tokens: int) -> Result:
    """Clients in one process, /health asked for by another."""
    env = environment()
    prober = subprocess.Popen(
        own_process("--ask-for-health", port), env=env, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert prober.stdin and prober.stdout
    prober.stdout.readline()
    command = own_process("--clients-of", port, "--streams", streams, "--tokens", tokens)
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    told, _ = prober.communicate()
    return {**json.loads(done.stdout), "health": json.loads(told)["waited"]}


@contextmanager
def server(checkpoint: Path) -> Iterator[tuple[int, Callable[[], float]]]:
    """A real server process: its port, and a function for its peak memory in MB."""
    command = [sys.executable, "-m", "tinygpt.serve", "--checkpoint", str(checkpoint)]
    command += ["--port", "0", "--log-level", "warning"]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout
    found = re.search(r":(\d+)/", process.stdout.readline())
    assert found, "the server did not say where it listens"

    def peak() -> float:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    try:
        yield int(found[1]), peak
    finally:
        process.terminate()
        process.wait(30)


def rate(result: Result) -> float:
    """Tokens/s."""
    return result["tokens_per_second"]


def measure(checkpoint: Path, streams: int, tokens: int, rounds: int) -> Result:
    """Every contender's best round, the machine's peak before and after, and the comparison."""
    keep_freed_memory()
    model, tokenizer = load_model(checkpoint)
    with server(checkpoint) as (port, peak):
        contenders: dict[str, Callable[[], Result]] = {
            "model, one text": lambda: model_alone(model, tokenizer, 1, tokens),
            f"model, {streams} texts": lambda: model_alone(model, tokenizer, streams, tokens),
            "server, one stream": lambda: through_http(port, 1, tokens),
            f"server, {streams} streams": lambda: through_http(port, streams, tokens),
        }
        peaks = [gflops()]
        best: dict[str, Result] = {}
        for _ in range(rounds):
            for name, run in contenders.items():
                result = run()
                best[name] = max(best.get(name, result), result, key=rate)
        peaks.append(gflops())
        memory = peak()
    alone = model_alone(model, tokenizer, streams, tokens, together=1)["texts"]
    served = best[f"server, {streams} streams"]["texts"]
    same = sum(a == b for a, b in zip(served, alone, strict=True))
    return {
        "streams": streams,
        "tokens": tokens,
        "rounds": rounds,
        "gflops": peaks,
        "server_peak_mb": memory,
        "same_texts": same,
        "contenders": {
            name: {key: value for key, value in result.items() if key != "texts"}
            for name, result in best.items()
        },
    }


def table(found: Result) -> str:
    """What was found, as Markdown."""
    ran, n = found["contenders"], found["streams"]
    one, many = (
        ran[f"model, {texts}"]["tokens_per_second"] for texts in ("one text", f"{n} texts")
    )
    http = ran[f"server, {n} streams"]["tokens_per_second"]
    lines = [
        "| | tokens/s | first token, ms (median, 99 %) | per token, ms (median, 99 %) "
        "| /health, ms (median, 99 %) |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, result in ran.items():
        waits = (percentiles(result.get(key)) for key in ("first_token", "per_token", "health"))
        lines.append(f"| {name} | {result['tokens_per_second']:,.0f} | {' | '.join(waits)} |")
    before, after = found["gflops"]
    lines += [
        "",
        f"The batch of {n} gives {many / one:.1f} times one text's tokens/s; through HTTP arrive "
        f"{http / many:.0%} of the batch's. {found['same_texts']} of {n} texts through HTTP are "
        f"what the model says alone. Best of {found['rounds']} rounds, {found['tokens']} tokens a "
        f"text, float32, server and clients on {os.cpu_count()} cores; matrix products "
        f"{before:,.0f} GFLOP/s before, {after:,.0f} after; the server's peak memory is "
        f"{found['server_peak_mb']:,.0f} MB.",
    ]
    return "\n".join(lines) + "\n"


def percentiles(seconds: list[float] | None) -> str:
    if not seconds:
        return ""
    median, most = np.percentile(np.array(seconds) * 1000, [50, 99])
    return f"{median:.1f}, {most:.1f}"


def main() -> None:
    """Race, print and save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", help="default: the shipped model")
    parser.add_argument("--streams", type=positive, default=32, help="at once (default 32)")
    parser.add_argument("--tokens", type=positive, default=150, help="a text (default 150)")
    parser.add_argument("--rounds", type=positive, default=5, help="turns of each contender")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--clients-of", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--ask-for-health", type=int, metavar="PORT", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.clients_of is not None:
        say(asyncio.run(clients(args.clients_of, args.streams, args.tokens)))
        return
    if args.ask_for_health is not None:
        ask_for_health(args.ask_for_health)
        return
    found = measure(find_checkpoint(args.checkpoint), args.streams, args.tokens, args.rounds)
    sys.stdout.write(table(found))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "serving.json").write_text(json.dumps(found, indent=1) + "\n")
    (args.out / "serving.md").write_text(table(found))


if __name__ == "__main__":
    main()
