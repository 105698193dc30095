"""`python -m tinygpt.prove` passes for the code as it is, and fails for one wrong gradient."""

import numpy as np
import pytest

from tinygpt import ops, prove
from tinygpt.config import ModelConfig
from tinygpt.errors import ConfigError
from tinygpt.params import param_shapes

SMALL = ["--n-layer", "1", "--n-embd", "4", "--block-size", "3", "--vocab-size", "5"]


@pytest.mark.parametrize("options", [[], ["--dropout", "0.2", "--recompute"]])
def test_it_lists_every_operation_and_every_parameter_and_exits_0(options, capsys):
    assert prove.main([*SMALL, *options]) == 0
    out = capsys.readouterr().out
    assert "WRONG" not in out and "tolerance 1e-07" in out
    config = ModelConfig(vocab_size=5, block_size=3, n_layer=1, n_head=2, n_embd=4)
    listed = {line.split()[0] for line in out.splitlines() if line}
    for path in param_shapes(config):
        assert {path, f"{path}[q]"} & listed, path
    assert {name.removesuffix("_forward") for name in ops.__all__ if "_forward" in name} <= listed


def test_the_key_bias_alone_is_zero_by_symmetry(capsys):
    prove.main(SMALL)
    zero = [line for line in capsys.readouterr().out.splitlines() if "zero by symmetry" in line]
    assert [line.split()[0] for line in zero] == ["h.0.attn.qkv.b[k]"]


@pytest.mark.parametrize("wrong", [1.001, np.nan])
def test_one_wrong_gradient_is_marked_and_the_exit_code_is_1(wrong, monkeypatch, capsys):
    right = ops.gelu_backward
    monkeypatch.setattr(ops, "gelu_backward", lambda dy, cache: wrong * right(dy, cache))
    assert prove.main(SMALL) == 1
    marked = [line for line in capsys.readouterr().out.splitlines() if "WRONG" in line]
    assert [line.split()[:2] for line in marked] == [["gelu", "x"]]


@pytest.mark.parametrize("words", [["--batch-size", "0"], ["--seed", "-1"], ["--n-head", "3"]])
def test_settings_that_cannot_be_are_refused(words):
    with pytest.raises(ConfigError):
        prove.main([*SMALL, *words])
