"""`python -m tinygpt.serve` as a process, with a small model that says every byte."""

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np

from tinygpt.checkpoint import save_checkpoint
from tinygpt.config import ModelConfig
from tinygpt.generation import Generation, SamplingConfig
from tinygpt.model import GPT
from tinygpt.tokenizers import ByteTokenizer

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-W", "error", "-m", "tinygpt.serve"]
BYTES = ByteTokenizer()
CONTEXT = 64
JSON = {"Content-Type": "application/json"}


def environment(**settings):
    """What a server's process finds: no settings of whoever runs the tests."""
    rest = {name: v for name, v in os.environ.items() if not name.startswith("TINYGPT_")}
    return rest | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | settings


def small_model(dtype=np.float64):
    """With weights of order one: it says letters, halves of characters, and ends of text."""
    model = GPT(ModelConfig(257, CONTEXT, 2, 2, 16), seed=1, dtype=dtype)
    model.flat += np.random.default_rng(1).normal(0, 0.4, model.flat.shape)
    return model


def save_small_model(path):
    model = small_model(np.float32)
    save_checkpoint(path, config=model.config, flat=model.flat, tokenizer=BYTES, state={"step": 0})
    return GPT(model.config, model.flat.astype(np.float64), dtype=np.float64)


class Server:
    """A server that has said where it listens; `log` are its lines so far."""

    def __init__(self, process):
        self.process, self.log = process, []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        said = [process.stdout.readline() for _ in range(2)]
        found = re.search(r"http://127\.0\.0\.1:\d+", said[0])
        assert found, (said, self.log)
        self.said, self.url = said, found[0]

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line)

    def end(self):
        """Kill it, and read what is left of its log."""
        self.process.kill()
        self._reader.join(30)

    def stopped(self, signal_number):
        """Ask it to stop: its exit status, once it has."""
        self.process.send_signal(signal_number)
        status = self.process.wait(60)
        self._reader.join(30)
        return status

    def records(self):
        """The log, read as JSON."""
        return [json.loads(line) for line in self.log]

    def post(self, path, body, **options):
        """A JSON body, answered."""
        return httpx.post(self.url + path, json=body, timeout=60, **options)

    def get(self, path, **options):
        return httpx.get(self.url + path, timeout=60, **options)

    def metric(self, name):
        """The value of a metric without labels."""
        return float(re.search(rf"^{name} (\S+)$", self.get("/metrics").text, re.M)[1])

    def until(self, true):
        """Wait for a condition; at most half a minute."""
        for _ in range(600):
            if true():
                return
            time.sleep(0.05)
        raise AssertionError(f"it never came true; the log ends with {self.log[-3:]}")


@contextlib.contextmanager
def served(checkpoint, *flags, **settings):
    """A running server of this checkpoint in float64, ended and waited for afterwards."""
    words = ["--checkpoint", str(checkpoint), "--port", "0", "--dtype", "float64", *flags]
    with subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**settings),
    ) as process:
        try:
            server = Server(process)
        except BaseException:
            process.kill()
            raise
        try:
            yield server
        finally:
            server.end()


def alone(model, prompt, seed=0, sample=0, **settings):
    """What the library draws: the Generation, at its end. A list is a prompt's ids."""
    text, ids = (prompt, None) if isinstance(prompt, str | None) else (None, prompt)
    one = Generation(
        model, BYTES, text, SamplingConfig(**settings), seed=seed, sample=sample, prompt_ids=ids
    )
    for _ in one:
        pass
    return one


def events(lines):
    """What stands after "data: " in a stream, read as JSON, and [DONE] as it is."""
    data = [line.removeprefix("data: ") for line in lines if line]
    assert all(line.startswith("data: ") for line in lines if line)
    return [one if one == "[DONE]" else json.loads(one) for one in data]
