"""Make tests/golden/sampling.npz with Hugging Face's logits processors, which no test needs.

    python -m venv venv-tf && venv-tf/bin/pip install transformers==5.23.0 torch==2.13.0
    venv-tf/bin/python tests/golden/make_sampling_golden.py

One row of logits, some ids that were seen, and for each combination of settings (0: left out)
the probabilities that transformers would draw from, in float64.
"""

from itertools import product
from pathlib import Path

import numpy as np
import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

SETTINGS = [
    *product([1.0, 1.7], [0.6, 1.3], [0, 5], [0, 0.8], [0, 0.15]),
    (0.5, 1.0, 1, 0, 0),
    (1.0, 1.0, 0, 0.01, 0),
    (1.0, 1.0, 0, 0, 0.99),
]
IDS = [3, 0, 3, 7, 1, 1, 9]


def probabilities(logits: np.ndarray, settings: tuple[float, ...]) -> np.ndarray:
    """In the order in which transformers' `generate` applies them."""
    penalty, temperature, top_k, top_p, min_p = settings
    processors = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(penalty)])
    processors.append(TemperatureLogitsWarper(temperature))
    if top_k:
        processors.append(TopKLogitsWarper(int(top_k)))
    if top_p:
        processors.append(TopPLogitsWarper(top_p))
    if min_p:
        processors.append(MinPLogitsWarper(min_p))
    scores = processors(torch.tensor([IDS]), torch.tensor(logits[None]))
    return torch.softmax(scores, dim=-1)[0].numpy()


def main() -> None:
    logits = np.random.default_rng(3).normal(0, 2, 12)
    np.savez_compressed(
        Path(__file__).parent / "sampling.npz",
        logits=logits,
        ids=np.array(IDS),
        settings=np.array(SETTINGS),
        probs=np.array([probabilities(logits, settings) for settings in SETTINGS]),
    )


if __name__ == "__main__":
    main()
