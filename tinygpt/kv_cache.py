"""Keys and values of the past, so that a new token is computed alone."""

from typing import Any, NamedTuple

import numpy as np

from tinygpt.backend import Array
from tinygpt.config import ModelConfig


class LayerCache(NamedTuple):
    """One block's part of the cache.   keys, values (B, H, block_size, D)"""

    keys: Array
    values: Array
    length: int

    def append(self, k: Array, v: Array) -> tuple[Array, Array]:
        """Store the new k, v (B, H, T, D); return all keys and values up to here as views."""
        end = self.length + k.shape[2]
        self.keys[:, :, self.length : end] = k
        self.values[:, :, self.length : end] = v
        return self.keys[:, :, :end], self.values[:, :, :end]


class KVCache:
    """Preallocated keys and values of every block.

    `length` is how many positions are filled: the position of the next token. `GPT.forward`
    fills and advances it; `reset` forgets everything without freeing memory.
    """

    def __init__(
        self,
        config: ModelConfig,
        batch: int = 1,
        *,
        xp: Any = np,
        dtype: Any = np.float32,
    ) -> None:
        D = config.n_embd // config.n_head
        shape = (config.n_layer, batch, config.n_head, config.block_size, D)
        self.keys, self.values = xp.zeros(shape, dtype), xp.zeros(shape, dtype)
        self.length = 0

    def layer(self, i: int) -> LayerCache:
        """Block i's keys and values, with the place where new ones go."""
        return LayerCache(self.keys[i], self.values[i], self.length)

    def reset(self) -> None:
        """Begin a new text."""
        self.length = 0
