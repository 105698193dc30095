"""One contender of a race: tinygpt's training step, clipping on.

    python benchmarks/step.py a|b|c [WORKERS]

a: 4 layers, 4 heads, 128 wide, T 64, B 12, V 65.   b: 6/6/384, T 256, B 16, V 65.
c: GPT-2 124M, T 64, B 4, V 50257. Random ids, float32, AdamW, clip 1.

Prints a JSON line with the losses of its first steps when ready, then for each number of steps
read from stdin a line with their times in seconds and the peak memory in MB: what a race needs to
run contenders in turns.
"""

import sys

from inputs import training_ids
from protocol import BATCHES, WARM_UP, answer, timed
from shapes import TRAINING

from tinygpt.config import ModelConfig
from tinygpt.model import GPT
from tinygpt.optim import AdamW
from tinygpt.parallel import TrainingStep
from tinygpt.params import decayed_count
from tinygpt.threads import keep_freed_memory


def main() -> None:
    if sys.argv[1:2] not in [[name] for name in TRAINING] or len(sys.argv) > 3:
        sys.exit("say which: python benchmarks/step.py a|b|c [WORKERS]")
    keep_freed_memory()
    shape = TRAINING[sys.argv[1]]
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    config = ModelConfig(**shape.config())
    model = GPT(config)
    optimizer = AdamW(len(model.flat), decayed_count(config), beta2=0.95)
    train = TrainingStep(model, optimizer, rows=shape.B, workers=workers, clip=1.0)
    xs, ys = training_ids(shape)

    def step(i: int) -> float:
        return train(xs[i % BATCHES], ys[i % BATCHES], lr=1e-3, step=i)[0]

    losses = [step(i) for i in range(WARM_UP)]
    answer(timed(step), losses=losses)


if __name__ == "__main__":
    main()
