"""One contender of a race: tinygpt's training step, clipping on.

    python benchmarks/step.py a|b|c [WORKERS]

a: 4 layers, 4 heads, 128 wide, T 64, B 12, V 65.   b: 6/6/384, T 256, B 16, V 65.
c: GPT-2 124M, T 64, B 4, V 50257. Random ids, float32, AdamW, clip 1.

Prints a JSON line when ready, then for each number of steps read from stdin a line with their
times in seconds and the peak memory in MB: what a race needs to run contenders in turns.
"""

import json
import resource
import sys
import time

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.model import GPT
from tinygpt.optim import AdamW
from tinygpt.parallel import TrainingStep
from tinygpt.params import decayed_count
from tinygpt.threads import keep_freed_memory

CONFIGS = {
    "a": (12, ModelConfig(vocab_size=65, block_size=64, n_layer=4, n_head=4, n_embd=128)),
    "b": (16, ModelConfig(vocab_size=65, block_size=256, n_layer=6, n_head=6, n_embd=384)),
    "c": (4, ModelConfig(vocab_size=50257, block_size=64, n_layer=12, n_head=12, n_embd=768)),
}


def say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    keep_freed_memory()
    batch_size, config = CONFIGS[sys.argv[1]]
    model = GPT(config)
    optimizer = AdamW(len(model.flat), decayed_count(config), beta2=0.95)
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    train = TrainingStep(model, optimizer, rows=batch_size, workers=workers, clip=1.0)
    rng = np.random.default_rng(0)
    shape = (2, 4, batch_size, config.block_size)
    xs, ys = rng.integers(0, config.vocab_size, shape)
    for i in range(3):
        train(xs[i], ys[i], lr=1e-3, step=i)
    say({"ready": 1})
    for line in sys.stdin:
        times = []
        for i in range(int(line)):
            start = time.perf_counter()
            train(xs[i % 4], ys[i % 4], lr=1e-3, step=i)
            times.append(time.perf_counter() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        say({"t": times, "rss": peak})


if __name__ == "__main__":
    main()
