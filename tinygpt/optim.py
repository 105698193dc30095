"""AdamW, clipping by the global norm, and the learning rate's warm-up and cosine."""

import math
from typing import Any

import numpy as np

from tinygpt.backend import Array, get_xp
from tinygpt.config import TrainConfig

PIECE = 1 << 17  # parameters updated at a time: few enough to stay in the processor's cache


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2), on flat arrays.

    The first `n_decayed` parameters decay (the matrices; biases and LayerNorm do not), each step
    by lr * weight_decay of themselves: the paper's lambda times lr, as in PyTorch. `m`, `v`
    (n_params,) are the running means of the gradient and of its square; `t` counts steps.
    """

    def __init__(
        self,
        n_params: int,
        n_decayed: int,
        *,
        dtype: Any = np.float32,
        xp: Any = np,
        beta1: float = TrainConfig.beta1,
        beta2: float = TrainConfig.beta2,
        eps: float = TrainConfig.eps,
        weight_decay: float = TrainConfig.weight_decay,
    ) -> None:
        self.n_decayed = n_decayed
        self.beta1, self.beta2, self.eps, self.weight_decay = beta1, beta2, eps, weight_decay
        self.m, self.v = xp.zeros(n_params, dtype), xp.zeros(n_params, dtype)
        self.t = 0

    def begin_step(self) -> None:
        """Count a step; then `update` each part of the parameters once."""
        self.t += 1

    def update(
        self, params: Array, grads: Array, lr: float, *, scale: float = 1.0, part: slice
    ) -> None:
        """Update params[part] in place, by grads * scale.

        params, grads (n_params,); parts may be updated side by side.
        """
        start, stop, _ = part.indices(len(params))
        border = min(max(self.n_decayed, start), stop)
        for begin, end, decay in ((start, border, self.weight_decay), (border, stop, 0.0)):
            for i in range(begin, end, PIECE):
                piece = slice(i, min(i + PIECE, end))
                self._update_piece(params[piece], grads[piece], piece, lr, scale, decay)

    def _update_piece(
        self, p: Array, grad: Array, piece: slice, lr: float, scale: float, decay: float
    ) -> None:
        xp, m, v = get_xp(p), self.m[piece], self.v[piece]
        # m = beta1 m + (1 - beta1) grad;  v = beta2 v + (1 - beta2) grad^2
        work = grad * (scale * (1.0 - self.beta1))
        m *= self.beta1
        m += work
        xp.multiply(grad, grad, out=work)
        work *= scale * scale * (1.0 - self.beta2)
        v *= self.beta2
        v += work
        # p -= lr mhat / (sqrt(vhat) + eps), where mhat = m / (1 - beta1^t) and vhat = v / c^2 undo
        # the start from zero: above and below are multiplied by c, which spares a pass
        c = math.sqrt(1.0 - self.beta2**self.t)
        xp.sqrt(v, out=work)
        work += self.eps * c
        xp.divide(m, work, out=work)
        work *= lr * c / (1.0 - self.beta1**self.t)
        if decay:
            p *= 1.0 - lr * decay  # decoupled: the decay never enters m and v
        p -= work


def lr_at(step: int, *, lr: float, min_lr: float, warmup: int, steps: int) -> float:
    """Learning rate of step 0, 1, …: a line up to lr, then half a cosine down to min_lr.

    >>> schedule = dict(lr=1.0, min_lr=0.1, warmup=4, steps=13)
    >>> [round(lr_at(s, **schedule), 3) for s in (0, 1, 3, 4, 8, 12)]
    [0.25, 0.5, 1.0, 1.0, 0.55, 0.1]
    """
    if step < warmup:
        return lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - 1 - warmup)
    return min_lr + 0.5 * (lr - min_lr) * (1.0 + math.cos(math.pi * min(1.0, progress)))


def squared_norm(grads: Array) -> float:
    """Sum of squares of a flat gradient, or of a part of it.

    Piece by piece: a single product over a hundred million float32 loses the third digit.
    """
    starts = range(0, len(grads), PIECE)
    return math.fsum(float(p @ p) for p in (grads[i : i + PIECE] for i in starts))


def clip_factor(norm: float, clip: float) -> float:
    """What to multiply a gradient of this global norm by, so that it is at most `clip` (0: off).

    >>> clip_factor(4.0, 1.0), clip_factor(0.5, 1.0), clip_factor(4.0, 0.0)
    (0.25, 1.0, 1.0)
    """
    return clip / norm if clip > 0.0 and norm > clip else 1.0
