"""One training step, split over threads.

A batch that outweighs the model is split by rows: each worker runs the same forward and backward
on its rows, into a flat gradient of its own. Under a model that outweighs the batch those
gradients would be the largest arrays of all, so there one worker computes, and BLAS splits its
products. Then each worker adds up, and updates, its part of the flat arrays. With an all-reduce
in place of the addition this is training on many machines.
"""

import math

import numpy as np

from tinygpt.backend import Array
from tinygpt.config import ModelConfig
from tinygpt.errors import ConfigError, ShapeError
from tinygpt.model import GPT, dropout_masks
from tinygpt.optim import AdamW, clip_factor, squared_norm
from tinygpt.params import parameter_count, views
from tinygpt.threads import WorkerPool, default_workers


def cut(n: int, parts: int) -> list[range]:
    """0..n-1 as `parts` ranges whose lengths differ by one at most.

    >>> cut(5, 2)
    [range(0, 2), range(2, 5)]
    """
    return [range(n * i // parts, n * (i + 1) // parts) for i in range(parts)]


def outweighs_the_model(rows: int, config: ModelConfig) -> bool:
    """Does a batch of so many rows keep more numbers for backward than the model has parameters?

    A block keeps 16 or more for each channel of each token: the LayerNorms 4, attention 5 and its
    exponentials, which grow with the text, the MLP 8.
    """
    kept = rows * config.block_size * 16 * config.n_embd * config.n_layer
    return kept >= parameter_count(config)


class TrainingStep:
    """Forward, backward, clipping and AdamW over one global batch.

    `workers` 0 means one per core, and on a GPU there is one. On the CPU, with OpenBLAS, the result
    is the same, bit for bit, for the same number of workers, and to rounding for another.
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
        if workers < 0:
            raise ConfigError(f"workers is {workers}; give 0 for one per core, or their number")
        if accumulate < 1 or rows % accumulate:
            raise ConfigError(
                f"the global batch has {rows} rows and accumulate is {accumulate}; "
                "choose rows as a multiple of accumulate"
            )
        workers = 1 if model.xp is not np else workers or default_workers()
        by_rows = outweighs_the_model(rows // accumulate, model.config)
        shares = min(workers, rows // accumulate) if by_rows else 1
        self.model, self.optimizer = model, optimizer
        self.rows, self.clip, self.seed, self.accumulate = rows, clip, seed, accumulate
        self.pool = WorkerPool(workers)
        self._grads = [model.xp.zeros_like(model.flat) for _ in range(shares)]
        self._trees = [views(grad, model.config) for grad in self._grads]

    def __call__(self, x: Array, y: Array, *, lr: float, step: int) -> tuple[float, float]:
        """Train on inputs x and targets y, host ids (rows, T); return loss and gradient norm.

        Where the loss or the norm is not finite, nothing is updated. Raises ShapeError for another
        number of rows.
        """
        if len(x) != self.rows or x.shape != y.shape:
            raise ShapeError(
                f"the inputs have shape {x.shape} and the targets {y.shape}; "
                f"give both {self.rows} rows of as many tokens"
            )
        model, optimizer = self.model, self.optimizer
        losses = self.pool.map(lambda share: self._gradients(share, x, y, step), range(self.shares))
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

    @property
    def shares(self) -> int:
        """How many workers share the rows, each with a gradient of its own."""
        return len(self._grads)

    def _gradients(self, share: int, x: Array, y: Array, step: int) -> float:
        """This share's rows of every micro-batch: the loss, gradients into its own flat array."""
        model, loss = self.model, 0.0
        for i, micro in enumerate(cut(self.rows, self.accumulate)):
            mine = cut(len(micro), self.shares)[share]
            rows = micro[mine.start : mine.stop]
            part = slice(rows.start, rows.stop)
            loss += model.loss_and_gradients(
                x[part],
                y[part],
                self._trees[share],
                count=y.size,
                masks=dropout_masks(
                    model.config, rows, x.shape[1], seed=self.seed, step=step, like=model.flat
                ),
                accumulate=i > 0,
            )
        return loss

    def _add_up(self, part: slice) -> float:
        """Add every share's gradients of this part into the first's; its sum of squares."""
        total = self._grads[0][part]
        for grad in self._grads[1:]:
            total += grad[part]
        return squared_norm(total)

    def close(self) -> None:
        """End the worker threads."""
        self.pool.close()
