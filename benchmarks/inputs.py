"""The ids that every contender is given, so that all must compute the same numbers."""

import numpy as np
from protocol import BATCHES
from shapes import Shape

SOME = 97  # of a row's logits: enough to tell a wrong one


def training_ids(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, (BATCHES, B, T) each."""
    draws = np.random.default_rng(0).integers(0, shape.vocab_size, (2, BATCHES, shape.B, shape.T))
    return draws[0], draws[1]


def text_ids(shape: Shape, batch: int, tokens: int) -> np.ndarray:
    """Texts side by side, (batch, tokens), of ids below shape.vocab_size."""
    return np.random.default_rng(1).integers(0, shape.vocab_size, (batch, tokens))


def some(logits: np.ndarray) -> list[float]:
    """A few logits of every row's last position.   logits (B, T, V)"""
    last = logits[:, -1]
    return last[:, :: last.shape[1] // SOME].ravel().tolist()
