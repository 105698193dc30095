"""A checkpoint becomes a model that computes what the saved one did."""

import numpy as np
import pytest
from small_checkpoints import CONFIG, arguments

from tinygpt.checkpoint import load_model
from tinygpt.errors import ConfigError
from tinygpt.model import GPT


@pytest.mark.parametrize("dtype", [None, "float32", "float64"])
def test_a_loaded_model_gives_the_same_logits(saved, dtype):
    model, tokenizer = load_model(saved.with_suffix(""), device="cpu", dtype=dtype)
    flat = arguments()["flat"].astype(dtype or np.float32)
    ids = np.array([tokenizer.encode("bad")])
    expected, _ = GPT(CONFIG, flat, dtype=flat.dtype).forward(ids)
    logits, _ = model.forward(ids)
    assert logits.dtype == flat.dtype
    assert np.array_equal(logits, expected)


@pytest.mark.parametrize("dtype", ["float16", "int32", "nonsense"])
def test_another_dtype_is_refused(saved, dtype):
    with pytest.raises(ConfigError, match="choose float32, float64 or int8"):
        load_model(saved, device="cpu", dtype=dtype)
