"""A peer: Hugging Face's generate at the shape of GPT-2 124M, greedy, a token at a time.

    python benchmarks/hf_generate.py CONTEXT BATCH FOLDER

Speaks as step.py does; a step is a token, the first of each call, which reads the prompt, left out.
"""

import sys
import time

import torch
from inputs import some, text_ids
from protocol import WARM_UP, answer
from shapes import GPT2
from transformers import GPT2LMHeadModel, StoppingCriteria, StoppingCriteriaList


class Clock(StoppingCriteria):
    """Notes when each token is there, and stops nothing."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        self.times.append(time.perf_counter())
        return torch.zeros(len(input_ids), dtype=torch.bool)


def main() -> None:
    context, batch = map(int, sys.argv[1:3])
    model = GPT2LMHeadModel.from_pretrained(sys.argv[3]).eval()
    ids = torch.from_numpy(text_ids(GPT2, batch, context + 1))
    mask = torch.ones_like(ids)

    def times(n: int) -> list[float]:
        clock = Clock()
        model.generate(
            ids,
            attention_mask=mask,
            do_sample=False,
            min_new_tokens=n + 1,
            max_new_tokens=n + 1,
            pad_token_id=GPT2.vocab_size - 1,
            stopping_criteria=StoppingCriteriaList([clock]),
        )
        return [end - begin for begin, end in zip(clock.times, clock.times[1:], strict=False)]

    with torch.inference_mode():
        logits = model(ids, logits_to_keep=1).logits
    times(WARM_UP)
    answer(times, logits=some(logits.numpy()))


if __name__ == "__main__":
    main()
