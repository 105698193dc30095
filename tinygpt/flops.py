"""How much arithmetic a model takes: floating-point operations, counted from its shape.

Each of N parameters takes part in one multiplication and one addition for each token that is read,
and in two of each on the way back (Kaplan et al. 2020, section 2.1). Attention adds scores and
weighted sums over the positions seen, counted whole, without the mask (Chowdhery et al. 2022,
appendix B). Positions are looked up and never multiplied, so wpe is left out of N. What is left
out besides is small: GELU, softmax, AdamW.
"""

import math

from tinygpt.config import ModelConfig
from tinygpt.params import param_shapes, parameter_count


def multiplied_count(model: ModelConfig) -> int:
    """N: the parameters that a token's vector is multiplied by or, a few, added: all but wpe."""
    return parameter_count(model) - math.prod(param_shapes(model)["wpe"].shape)


def flops_per_token(model: ModelConfig) -> int:
    """Operations to learn from one token: 6 N + 12 L C T.

    >>> flops_per_token(ModelConfig(vocab_size=65, block_size=64, n_layer=4, n_head=4, n_embd=128))
    5203200
    """
    attention = 12 * model.n_layer * model.n_embd * model.block_size
    return 6 * multiplied_count(model) + attention


def forward_flops(model: ModelConfig, tokens: int, context: int) -> int:
    """Operations to read `tokens` new tokens and predict the one after them: 2 N + 4 L C context
    for each, where `context` is how many the last of them sees, itself included.

    Only the last token meets the output layer, the V C parameters of wte: to read a prompt takes
    no logits. One token of GPT-2 124M, the 512th:

    >>> gpt2 = ModelConfig(vocab_size=50257, block_size=1024, n_layer=12, n_head=12, n_embd=768)
    >>> forward_flops(gpt2, 1, 512)
    266181120
    """
    output = model.vocab_size * model.n_embd
    attention = 4 * model.n_layer * model.n_embd * context
    return tokens * (2 * (multiplied_count(model) - output) + attention) + 2 * output
