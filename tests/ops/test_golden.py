"""Single operations against PyTorch's own, forward and backward (tests/golden/ops.npz)."""

import numpy as np
import pytest
from op_table import OPS, relative_error
from small_models import golden

INPUTS = {
    "linear": ("x", "w", "b"),
    "layernorm": ("x", "w", "b"),
    "gelu": ("x",),
    "softmax": ("x",),
    "causal_attention": ("q", "k", "v"),
    "embedding": ("w", "ids"),
    "mean_squared_error": ("y_", "target"),
    "cross_entropy": ("logits", "ids"),
}
WITH_GOLDEN = [op for op in OPS if op.name in INPUTS]


def test_every_op_but_dropout_has_golden_numbers():
    assert {op.name for op in OPS} - INPUTS.keys() == {"dropout"}


@pytest.mark.parametrize("op", WITH_GOLDEN, ids=lambda op: op.name)
@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_forward_and_gradients_equal_pytorchs(op, dtype, bound):
    def saved(key):
        array = golden("ops")[f"{op.name}/{key}"]
        return array.astype(dtype) if array.dtype.kind == "f" else array

    names = INPUTS[op.name]
    y, cache = op.forward(*(saved(name) for name in names))
    dout = 1.0 if isinstance(y, float) else saved("dout")
    assert relative_error(y, saved("y")) < bound
    gradients = op.gradients(dout, cache)
    assert len(gradients) == op.n_gradients
    for name, gradient in zip(names, gradients, strict=False):
        assert relative_error(gradient, saved(f"d{name.rstrip('_')}")) < bound, name
