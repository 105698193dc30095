"""A look at a model while it reads one text: what it expects, where it looks, and which tokens a
loss pulls on. Forward and backward are those of training, block by block; nothing is changed.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tinygpt.backend import Array, get_xp, to_host
from tinygpt.config import SamplingConfig
from tinygpt.decoding import LogProb, Sample
from tinygpt.errors import ConfigError
from tinygpt.model import GPT
from tinygpt.ops import (
    cross_entropy_backward,
    cross_entropy_forward,
    embedding_forward,
    layernorm_backward,
    layernorm_forward,
    linear_forward,
)
from tinygpt.ops.attention import tiles
from tinygpt.panels import Rows
from tinygpt.params import parameter_count, views
from tinygpt.sampling import check_logits
from tinygpt.transformer import block_backward, block_forward


def expectations(model: GPT, ids: Sequence[int], best: int) -> list[LogProb]:
    """What the model thought of each token of the text but the first, before it read it: the
    token's log-probability, and the `best` likeliest. T - 1 of them for T ids.

    Raises VocabularyError for an id that the model does not know, and ShapeError for a text of no
    tokens or of more than block_size, and TinyGPTError for weights that are not numbers.
    """
    logits = to_host(model.forward(np.array([ids]), keep=False)[0])[0]  # (T, V)
    check_logits(logits)
    settings = SamplingConfig(max_new_tokens=len(ids), logprobs=best)
    told = Sample(model.config, ids[:1], settings, np.random.default_rng(0))  # nothing is drawn
    for token, row in zip(ids[1:], logits, strict=False):  # the last row is of what comes next
        told.add(token, row)
    return told.logprobs


def attention_maps(model: GPT, ids: Sequence[int], layer: int) -> Array:
    """Where the heads of block `layer`, counted from 0, look: weights (H, T, T), on the host.

    Row i belongs to position i: its weights for the positions up to its own sum to 1, and those
    after it are 0. Raises what `expectations` raises, and ConfigError where there is no such block.
    """
    if not 0 <= layer < model.config.n_layer:
        raise ConfigError(
            f"layer is {layer} and the model has {model.config.n_layer}; choose from 0 to "
            f"{model.config.n_layer - 1}"
        )
    x = _embedded(model, ids)
    for block in model.params["h"][: layer + 1]:
        x, cache = block_forward(x, block, model.config.n_head)
    (_, (_, (_, _, _, _, exps, sums), _, _), *_) = cache  # of causal_attention_forward
    T = x.shape[1]
    p = get_xp(x).zeros((model.config.n_head, T, T), x.dtype)
    for (rows, seen), e in zip(tiles(T, T), exps, strict=True):
        p[:, rows, seen] = e[0] / sums[0, :, rows]
    return to_host(p)


def loss_pulls(model: GPT, ids: Sequence[int], position: int) -> tuple[float, Array]:
    """The loss of one token, and how strongly it pulls on the embedding of each: float, (T,).

    The loss is that of ids[position] given all ids before it, L = -ln p(token | before), in nats.
    With x_j = wte[ids[j]] + wpe[j], what the first block reads at position j:

        pull_j = ‖dL/dx_j‖₂

    A small step of length s of x_j alone, in the worst direction, raises the loss by s * pull_j,
    and the opposite step lowers it by as much. The token itself and those after it are not read
    before it is predicted: their pull is 0.

    Raises what `expectations` raises, and ConfigError when nothing stands before the position, or
    when the weights are packed for speed and so have no way back.
    """
    if not 0 < position < len(ids):
        raise ConfigError(
            f"position is {position} and the text has {len(ids)} tokens; choose from 1 to "
            f"{len(ids) - 1}: the first token is not predicted"
        )
    if isinstance(model.params["wte"], Rows):
        raise ConfigError(
            "the weights are packed for speed and have no backward pass; load the model with dtype "
            "float32"
        )
    model.check_ids(np.array([ids]))
    config, xp, p = model.config, model.xp, model.params
    x, caches = _embedded(model, ids[:position]), []
    for block in p["h"]:
        x, cache = block_forward(x, block, config.n_head)
        caches.append(cache)
    h, lnf_cache = layernorm_forward(x[:, -1:], **p["lnf"])  # the last position predicts
    logits, _ = linear_forward(h, p["wte"].T)  # (1, 1, V)
    check_logits(to_host(logits))
    token = xp.asarray([[ids[position]]])
    loss, loss_cache = cross_entropy_forward(logits, token)

    # logits = h @ wteᵀ. This wte is the output layer; the pull is on the one that is read
    dh = cross_entropy_backward(1.0, loss_cache) @ p["wte"]
    dx = xp.zeros_like(x)
    dx[:, -1:] = layernorm_backward(dh, lnf_cache)[0]
    # every block writes its weights' gradients over those of the one before: nobody reads them
    one = replace(config, n_layer=1, vocab_size=1)
    unread = views(xp.empty(parameter_count(one), model.dtype), one)["h"][0]
    for cache in reversed(caches):
        dx = block_backward(dx, cache, unread)
    pulls = np.zeros(len(ids))
    pulls[:position] = np.linalg.norm(to_host(dx)[0].astype(np.float64), axis=-1)
    return loss, pulls


def _embedded(model: GPT, ids: Sequence[int]) -> Array:
    """What the first block reads, (1, T, C)."""
    checked = model.check_ids(np.array([ids]))
    x, _ = embedding_forward(model.params["wte"], checked)
    x += model.params["wpe"][: len(ids)]  # ours: the look-up allocated it
    return x
