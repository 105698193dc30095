"""One training step, split over threads.

Each worker runs the same forward and backward on its rows of the batch into a flat gradient of
its own; then each worker adds up, and updates, its part of the flat arrays. With an all-reduce in
place of the addition this is training on many machines.
"""

import math

import numpy as np

from tinygpt.backend import Array
from tinygpt.errors import ConfigError
from tinygpt.model import GPT, dropout_masks
from tinygpt.optim import AdamW, clip_factor, squared_norm
from tinygpt.params import views
from tinygpt.threads import WorkerPool, default_workers


def cut(n: int, parts: int) -> list[range]:
    """0..n-1 as `parts` ranges whose lengths differ by one at most.

    >>> cut(5, 2)
    [range(0, 2), range(2, 5)]
    """
    return [range(n * i // parts, n * (i + 1) // parts) for i in range(parts)]


class TrainingStep:
    """Forward, backward, clipping and AdamW over one global batch.

    `workers` 0 means one per core; never more than rows in a micro-batch, and one on a GPU. The
    result is the same, bit for bit, for the same number of workers, and to rounding for another.
    `accumulate`: the global batch is worked through in so many micro-batches, to save memory.
    """

    def __init__(
        self,
        model: GPT,
        optimizer: AdamW,
        *,
        rows: int,
        workers: int = 0,
        clip: float = 1.0,
        seed: int = 0,
        accumulate: int = 1,
    ) -> None:
        if rows % accumulate:
            raise ConfigError(
                f"the global batch has {rows} rows and accumulate is {accumulate}; "
                "choose rows as a multiple of accumulate"
            )
        workers = min(workers or default_workers(), rows // accumulate)
        self.model, self.optimizer = model, optimizer
        self.rows, self.clip, self.seed, self.accumulate = rows, clip, seed, accumulate
        self.pool = WorkerPool(workers if model.xp is np else 1)
        self._grads = [model.xp.zeros_like(model.flat) for _ in range(self.pool.n)]
        self._trees = [views(grad, model.config) for grad in self._grads]

    def __call__(self, x: Array, y: Array, *, lr: float, step: int) -> tuple[float, float]:
        """Train on inputs x and targets y, host ids (rows, T); return loss and gradient norm.

        Where the loss or the norm is not finite, nothing is updated.
        """
        model, optimizer, workers = self.model, self.optimizer, range(self.pool.n)
        losses = self.pool.map(lambda w: self._gradients(w, x, y, step), workers)
        parts = [slice(r.start, r.stop) for r in cut(len(model.flat), self.pool.n)]
        total = self._grads[0]
        norm = math.sqrt(sum(self.pool.map(self._add_up, parts)))
        loss = sum(losses)
        if math.isfinite(loss) and math.isfinite(norm):
            scale = clip_factor(norm, self.clip)
            optimizer.begin_step()
            self.pool.map(
                lambda part: optimizer.update(model.flat, total, lr, scale=scale, part=part), parts
            )
        return loss, norm

    def _gradients(self, worker: int, x: Array, y: Array, step: int) -> float:
        """This worker's rows of every micro-batch: the loss, gradients into its own flat array."""
        model, loss = self.model, 0.0
        for i, micro in enumerate(cut(self.rows, self.accumulate)):
            mine = cut(len(micro), self.pool.n)[worker]
            rows = micro[mine.start : mine.stop]
            part = slice(rows.start, rows.stop)
            loss += model.loss_and_gradients(
                x[part],
                y[part],
                self._trees[worker],
                count=y.size,
                masks=dropout_masks(
                    model.config, rows, x.shape[1], seed=self.seed, step=step, like=model.flat
                ),
                accumulate=i > 0,
            )
        return loss

    def _add_up(self, part: slice) -> float:
        """Add every worker's gradients of this part into the first's; its sum of squares."""
        total = self._grads[0][part]
        for grad in self._grads[1:]:
            total += grad[part]
        return squared_norm(total)

    def close(self) -> None:
        """End the worker threads."""
        self.pool.close()
