"""What generation costs at the shape of GPT-2 124M: memory, and milliseconds per token by length.

    python benchmarks/generate.py [--rounds N]

Random weights, float32, one text. Memory is the process's peak over weights and KV cache, Python
and its libraries included, after reading a prompt of 1,000 tokens. A token's time is the best of
the rounds, at each length; beside them stands the machine's matrix-product speed.
"""

import argparse
import sys
import time

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT
from tinygpt.params import parameter_count
from tinygpt.probe import gflops
from tinygpt.threads import keep_freed_memory, peak_memory

GPT2 = ModelConfig(vocab_size=50257, block_size=1024, n_layer=12, n_head=12, n_embd=768)
LENGTHS = (1, 128, 256, 512, 768, 1000)
PROMPT = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description="Time generation at the shape of GPT-2.")
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    keep_freed_memory()
    model = GPT(GPT2, np.full(parameter_count(GPT2), 0.01, np.float32))
    kv = KVCache(GPT2)
    ids = np.zeros((1, PROMPT), np.int64)
    began = time.perf_counter()
    model.forward(ids, kv=kv, last=1)
    prefill = time.perf_counter() - began
    peak = peak_memory()
    weights, cache = model.flat.nbytes, kv.keys.nbytes + kv.values.nbytes
    if peak is not None:
        sys.stdout.write(
            f"weights {weights / 1e6:.0f} MB, KV cache {cache / 1e6:.0f} MB, peak over both after "
            f"{PROMPT} tokens: {(peak - weights - cache) / 1e6:.0f} MB; prompt read in "
            f"{prefill:.2f} s\n"
        )
    speed = gflops()
    best = dict.fromkeys(LENGTHS, float("inf"))
    for _ in range(rounds):
        for length in LENGTHS:
            kv.lengths[:] = length
            began = time.perf_counter()
            model.forward(ids[:, :1], kv=kv, last=1)
            best[length] = min(best[length], time.perf_counter() - began)
    for length, seconds in best.items():
        sys.stdout.write(f"a token after {length:5,}: {seconds * 1e3:5.1f} ms\n")
    sys.stdout.write(f"matrix products: {speed:.0f} GFLOP/s before, {gflops():.0f} after\n")


if __name__ == "__main__":
    main()
