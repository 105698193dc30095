"""A peer: PyTorch's training step, clipping on.

    python benchmarks/torch_step.py a|b|c WEIGHTS shipped|fused|compiled

shipped: eager, AdamW with PyTorch's defaults. fused: eager, AdamW in one kernel. compiled: the
model by torch.compile, AdamW in one kernel. Speaks as step.py does.
"""

import sys

import torch
from inputs import training_ids
from protocol import BATCHES, WARM_UP, answer, timed
from shapes import TRAINING
from torch_model import load


def main() -> None:
    shape, mode = TRAINING[sys.argv[1]], sys.argv[3]
    model = load(shape, sys.argv[2])
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": 0.1},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=1e-3,
        betas=(0.9, 0.95),
        fused=None if mode == "shipped" else True,
    )
    loss_of = torch.compile(model) if mode == "compiled" else model
    xs, ys = (torch.from_numpy(ids) for ids in training_ids(shape))

    def step(i: int) -> float:
        loss = loss_of(xs[i % BATCHES], ys[i % BATCHES])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    losses = [step(i) for i in range(WARM_UP)]
    answer(timed(step), losses=losses)


if __name__ == "__main__":
    main()
