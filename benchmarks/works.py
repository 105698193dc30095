"""What is raced, and by whom."""

import functools
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from race import Contender, environment
from shapes import GPT2, TRAINING, decoding_bytes, training_flops

HERE = Path(__file__).resolve().parent
PROMPT = "Once upon a time"

GROUPS = ("train", "decode", "verify", "prefill", "int8", "start")
DECODING = [(context, batch, 1) for batch in (1, 8) for context in (128, 512, 1000)]
VERIFYING = [(128, 1, 4), (128, 1, 8)]
PREFILL = (0, 1, 512)
AVX2 = "Haswell"  # OpenBLAS's name for these kernels


class Work(NamedTuple):
    """`tokens` that a step trains on, reads or says; the operations of its products, or the bytes
    it reads, whichever bounds it (0: neither, or each contender another); `steps` in a turn."""

    group: str
    name: str
    contenders: list[Contender]
    tokens: int
    steps: int
    flops: float = 0.0
    bytes: float = 0.0


class Places(NamedTuple):
    """The peers' Python, and where the weights lie."""

    torch: str
    weights: Path

    def ours(self, script: str, *arguments: object) -> list[str]:
        return [sys.executable, str(HERE / script), *map(str, arguments)]

    def theirs(self, script: str, *arguments: object) -> list[str]:
        return [self.torch, str(HERE / script), *map(str, arguments)]


@functools.cache
def other_kernels() -> list[str]:
    """What OpenBLAS could use here instead of its choice: AVX2 where that is AVX-512. The peers'
    library may multiply with the one or the other, so ours is raced with both."""
    asked = "import numpy, tinygpt.threads as t; print(t.blas_spares_small_products())"
    command = [sys.executable, "-c", asked]
    said = subprocess.run(command, env=environment(), capture_output=True, check=True).stdout
    return [AVX2] if said.strip() == b"True" else []


def all_works(places: Places) -> list[Work]:
    """Every race, in order."""
    passes = [_pass(places, "decode", *work) for work in DECODING]
    passes += [_pass(places, "verify", *work) for work in VERIFYING]
    passes += [_pass(places, "prefill", *PREFILL)]
    training = (_training(places, name) for name in TRAINING)
    return [*training, *passes, _int8(places), _start(places)]


def _training(places: Places, name: str) -> Work:
    shape, weights = TRAINING[name], places.weights / name
    peers = {
        "PyTorch as shipped": ("shipped", False),
        "PyTorch tuned": ("fused", True),
        "PyTorch compiled, tuned": ("compiled", True),
    }
    contenders = [
        Contender("tinygpt", places.ours("step.py", name)),
        Contender("NumPy, plain", places.ours("plain_step.py", name)),
    ]
    for kernels in other_kernels():
        command = places.ours("step.py", name)
        contenders.append(Contender("tinygpt with AVX2", command, kernels=kernels))
    for title, (mode, keep_memory) in peers.items():
        command = places.theirs("torch_step.py", name, weights, mode)
        contenders.append(Contender(title, command, keep_memory))
    return Work(
        "train",
        f"({name}) {shape.n_layer}/{shape.n_head}/{shape.n_embd}, T {shape.T}, B {shape.B}, "
        f"V {shape.vocab_size}",
        contenders,
        tokens=shape.B * shape.T,
        steps=8 if name == "a" else 2,
        flops=training_flops(shape),
    )


def _pass(places: Places, group: str, context: int, batch: int, tokens: int) -> Work:
    numbers, weights = (context, batch, tokens), places.weights / "gpt2"
    contenders = [Contender("tinygpt", places.ours("decode.py", *numbers))]
    for kernels in other_kernels():
        command = places.ours("decode.py", *numbers)
        contenders.append(Contender("tinygpt with AVX2", command, kernels=kernels))
    for title, mode in {"PyTorch": "eager", "PyTorch compiled": "compiled"}.items():
        command = places.theirs("torch_decode.py", *numbers, weights, mode)
        contenders.append(Contender(title, command, keep_memory=True))
    names = {
        "decode": f"context {context}, batch {batch}",
        "verify": f"context {context}, {tokens} tokens",
        "prefill": f"{tokens} tokens",
    }
    if group == "decode":
        command = places.theirs("hf_generate.py", context, batch, weights)
        contenders.append(Contender("Hugging Face generate", command, keep_memory=True))
    reading = group == "prefill"
    return Work(
        group,
        names[group],
        contenders,
        tokens=batch * tokens,
        steps=1 if reading else 8,
        flops=training_flops(GPT2._replace(B=1, T=tokens, vocab_size=0)) / 3 if reading else 0.0,
        bytes=0.0 if reading else decoding_bytes(GPT2, context, batch),
    )


def _int8(places: Places) -> Work:
    context, float32, int8 = 128, places.weights / "gpt2.h5", places.weights / "gpt2-int8.h5"
    contenders = []
    for threads, those in ((0, ""), (1, ", one thread")):
        for title, file in {"tinygpt": float32, "tinygpt int8": int8}.items():
            dtype = "int8" if file is int8 else "float32"
            command = places.ours("decode.py", context, 1, 1, file, dtype, threads)
            contenders.append(Contender(title + those, command))
    return Work("int8", f"context {context}, batch 1", contenders, tokens=1, steps=8)


def _start(places: Places) -> Work:
    checkpoint = places.weights / "gpt2.h5"
    generate = [sys.executable, "-m", "tinygpt.generate", "--checkpoint", str(checkpoint)]
    generate += ["--prompt", PROMPT, "--max-new-tokens", "1", "--temperature", "0"]
    peer = places.theirs("hf_first_token.py", places.weights / "gpt2", PROMPT)
    contenders = [
        Contender("tinygpt", [*generate, "--no-echo", "--quiet"]),
        Contender("Hugging Face generate", peer),
    ]
    return Work("start", "process to first token", contenders, tokens=1, steps=1)
