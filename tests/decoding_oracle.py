"""Small models that say something different everywhere, and the plain loop that judges them."""

import math

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.model import GPT
from tinygpt.sampling import draw, next_probs


def random_model(
    vocab_size=9, block_size=8, n_layer=1, n_head=2, n_embd=8, seed=0, dtype=np.float64
):
    """A model with weights of order one, so that its choices differ from place to place."""
    config = ModelConfig(vocab_size, block_size, n_layer, n_head, n_embd)
    model = GPT(config, seed=seed, dtype=dtype)
    model.flat += np.random.default_rng(seed).normal(0, 0.4, model.flat.shape).astype(dtype)
    return model


def plain_loop(model, ids, sampling, rng, stop_ids=()):
    """The oracle: no cache, one text, every token from the whole window."""
    block_size = model.config.block_size
    hop = sampling.window_hop or max(1, block_size // 4)
    known = list(ids)
    for _ in range(sampling.max_new_tokens):
        n = len(known)
        s = 0 if n <= block_size else math.ceil((n - block_size) / hop) * hop
        logits, _ = model.forward(np.array([known[s:n]]))
        probs = next_probs(
            logits[0, -1], sampling, prompt=known[: len(ids)], output=known[len(ids) :]
        )
        chosen = draw(probs, rng.random())  # one uniform number per token, whatever the settings
        if chosen in stop_ids:
            break
        known.append(chosen)
    return known[len(ids) :]
