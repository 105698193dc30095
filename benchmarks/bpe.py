"""How long byte-pair encoding takes to learn, and to encode.

    python benchmarks/bpe.py [TEXT] [--merges N]       default: data/shakespeare.txt, 512 merges

Best of five, beside the machine's matrix-product speed before and after.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tinygpt.probe import gflops
from tinygpt.tokenizers import make_tokenizer
from tinygpt.tokenizers.bpe_train import train_bpe


def best_of_five(work: Callable[[], object]) -> float:
    """Seconds."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time byte-pair encoding.")
    parser.add_argument("text", nargs="?", default="data/shakespeare.txt", type=Path)
    parser.add_argument("--merges", default=512, type=int)
    arguments = parser.parse_args()
    text = arguments.text.read_text(encoding="utf-8")
    before = gflops()
    vocab_size = 257 + arguments.merges
    learning = best_of_five(lambda: train_bpe(text, vocab_size))
    tokenizer = make_tokenizer("bpe", text, vocab_size)
    encoding = best_of_five(lambda: tokenizer.encode(text))
    ids = len(tokenizer.encode(text))
    sys.stdout.write(
        f"{arguments.merges} merges of {len(text):,} characters: {learning:.2f} s; "
        f"all of it encoded into {ids:,} ids ({len(text) / ids:.2f} characters each): "
        f"{encoding:.2f} s (best of five; matrix products at {before:.0f} GFLOP/s before, "
        f"{gflops():.0f} after)\n"
    )


if __name__ == "__main__":
    main()
