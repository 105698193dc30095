"""A peer: a pass of PyTorch at the shape of GPT-2 124M, from its KV cache.

    python benchmarks/torch_decode.py CONTEXT BATCH TOKENS WEIGHTS eager|compiled

compiled: by torch.compile, with the weights frozen, so that it may lay them out anew. Speaks as
step.py does; what the numbers mean is said in decode.py.
"""

import sys

import torch
from inputs import some, text_ids
from protocol import WARM_UP, answer, timed
from shapes import GPT2
from torch import Tensor
from torch_model import load


@torch.inference_mode()
def read(model: torch.nn.Module, ids: Tensor, past: list[tuple[Tensor, Tensor]]) -> None:
    """Fill the cache, text by text."""
    for i, text in enumerate(ids):
        row = [(keys[i : i + 1], values[i : i + 1]) for keys, values in past]
        model.extend(text[None], row, 0, 1)


def main() -> None:
    context, batch, tokens = map(int, sys.argv[1:4])
    model = load(GPT2, sys.argv[4]).eval()
    past = model.empty_past(batch)
    ids = torch.from_numpy(text_ids(GPT2, batch, context + tokens))
    if context:
        read(model, ids[:, :context], past)
    last = tokens if context else 1
    extend = model.extend
    if sys.argv[5] == "compiled":
        extend = torch.compile(extend, options={"freezing": True})

    @torch.no_grad()  # freezing does not work in inference mode
    def step(_: int) -> Tensor:
        return extend(ids[:, context:], past, context, last)

    logits = [step(i) for i in range(WARM_UP)][-1]
    answer(timed(step), logits=some(logits.numpy()))


if __name__ == "__main__":
    main()
