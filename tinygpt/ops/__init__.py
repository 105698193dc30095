"""The operations of a GPT: one file each, forward beside backward.

    <op>_forward(*arrays, ...) -> (result, cache)
    <op>_backward(dout, cache) -> gradients in forward's order

No function writes to an argument: only to what it allocated itself or was given as `out`.
Where a result has a home, an op takes `out`, which mirrors what is returned (a tuple has None where
the op allocates); those whose arguments are parameters also take `accumulate=True`, which adds.
dtype in = dtype out. Backward is linear in `dout` and answers the same when called twice.
"""

from tinygpt.ops.attention import causal_attention_backward, causal_attention_forward
from tinygpt.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward
from tinygpt.ops.dropout import dropout_backward, dropout_forward
from tinygpt.ops.embedding import embedding_backward, embedding_forward
from tinygpt.ops.gelu import gelu_backward, gelu_forward
from tinygpt.ops.layernorm import layernorm_backward, layernorm_forward
from tinygpt.ops.linear import linear_backward, linear_forward
from tinygpt.ops.mean_squared_error import (
    mean_squared_error_backward,
    mean_squared_error_forward,
)
from tinygpt.ops.softmax import softmax_backward, softmax_forward

__all__ = [
    "causal_attention_backward",
    "causal_attention_forward",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "dropout_backward",
    "dropout_forward",
    "embedding_backward",
    "embedding_forward",
    "gelu_backward",
    "gelu_forward",
    "layernorm_backward",
    "layernorm_forward",
    "linear_backward",
    "linear_forward",
    "mean_squared_error_backward",
    "mean_squared_error_forward",
    "softmax_backward",
    "softmax_forward",
]
