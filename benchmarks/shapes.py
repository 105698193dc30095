"""The shapes that are raced, for contenders of every kind: nothing but numbers."""

from typing import NamedTuple


class Shape(NamedTuple):
    """A model, in GPT-2's words, and the batch it trains on: B texts of T tokens."""

    vocab_size: int
    block_size: int
    n_layer: int
    n_head: int
    n_embd: int
    B: int = 1
    T: int = 1

    def config(self) -> dict[str, int]:
        """The model's part, by name."""
        values = self._asdict()
        del values["B"], values["T"]
        return values


TRAINING = {
    "a": Shape(65, 64, n_layer=4, n_head=4, n_embd=128, B=12, T=64),
    "b": Shape(65, 256, n_layer=6, n_head=6, n_embd=384, B=16, T=256),
    "c": Shape(50257, 64, n_layer=12, n_head=12, n_embd=768, B=4, T=64),
}
GPT2 = Shape(50257, 1024, n_layer=12, n_head=12, n_embd=768)


def training_flops(shape: Shape) -> float:
    """Operations in the matrix products of a training step, attention counted without its mask.

    Backward takes twice what forward takes; a product of a row and a matrix takes two operations
    for each weight.
    """
    C, T = shape.n_embd, shape.T
    weights = 12 * shape.n_layer * C * C + shape.vocab_size * C
    attention = 4 * shape.n_layer * T * C
    return 3.0 * (2 * weights + attention) * shape.B * T


def decoding_bytes(shape: Shape, context: int, batch: int) -> float:
    """What a pass must read at least: every weight once in float32, and the keys and values."""
    C = shape.n_embd
    weights = 12 * shape.n_layer * C * C + shape.vocab_size * C
    return 4.0 * (weights + 2 * shape.n_layer * batch * context * C)
