"""Weights mapped from the file: the same numbers, none of them copied, whatever becomes of it."""

import os

import h5py
import numpy as np
import pytest
from small_checkpoints import arguments

import tinygpt
from tinygpt.checkpoint import arrays, load_checkpoint, load_model, save_checkpoint
from tinygpt.config import ModelConfig
from tinygpt.model import GPT
from tinygpt.params import init_params
from tinygpt.threads import mapped_files_can_be_replaced

CONFIG = ModelConfig(vocab_size=5, block_size=8, n_layer=2, n_head=2, n_embd=16)
PROMPT = "bad"

pytestmark = pytest.mark.skipif(
    not mapped_files_can_be_replaced(), reason="weights are read on this platform"
)


def weights(seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    flat = init_params(CONFIG, rng, dtype)
    return flat + rng.standard_normal(flat.size).astype(dtype)


def save(path, flat, **changes):
    save_checkpoint(path, **arguments(config=CONFIG, flat=flat, optimizer=None) | changes)
    return path


def is_mapped(array):
    """Whether a memory map is what the array, through its bases, is a view of."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


def spoken(model, tokenizer):
    return tinygpt.generate_text(model, tokenizer, PROMPT, seed=3, max_new_tokens=20)


@pytest.mark.parametrize("optimizer", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_that_need_no_conversion_are_a_map(tmp_path, optimizer, dtype):
    flat = weights(dtype=dtype)
    path = save(tmp_path / "a.h5", flat, optimizer=(flat * 2, flat * 3) if optimizer else None)
    loaded = load_checkpoint(path, mapped=True)
    assert is_mapped(loaded.flat) and type(loaded.flat) is np.ndarray
    assert loaded.flat.dtype == dtype and loaded.flat.tobytes() == flat.tobytes()
    assert not is_mapped(load_checkpoint(path).flat)


def test_a_mapped_model_says_the_same(tmp_path):
    path = save(tmp_path / "a.h5", weights())
    model, tokenizer = load_model(path, device="cpu")
    assert is_mapped(model.flat)
    in_memory = GPT(CONFIG, load_checkpoint(path).flat)
    assert spoken(model, tokenizer) == spoken(in_memory, tokenizer)


@pytest.mark.parametrize("how", ["saved anew", "replaced", "removed"])
def test_what_becomes_of_the_file_does_not_disturb_the_model(tmp_path, how):
    path = save(tmp_path / "a.h5", weights())
    model, tokenizer = load_model(path, device="cpu")
    before = spoken(GPT(CONFIG, weights()), tokenizer)
    if how == "saved anew":
        save(path, weights(1))
    elif how == "replaced":
        os.replace(save(tmp_path / "b.h5", weights(1)), path)
    else:
        path.unlink()
    assert spoken(model, tokenizer) == before
    assert model.flat.tobytes() == weights().tobytes()
    if how != "removed":
        assert load_model(path, device="cpu")[0].flat.tobytes() == weights(1).tobytes()


def test_what_is_written_to_mapped_weights_stays_out_of_the_file(tmp_path):
    path = save(tmp_path / "a.h5", weights())
    original = path.read_bytes()
    model, _ = load_model(path, device="cpu")
    model.flat += 1
    np.testing.assert_array_equal(model.flat, weights() + 1)
    assert path.read_bytes() == original
    assert load_model(path, device="cpu")[0].flat.tobytes() == weights().tobytes()


def test_what_needs_a_conversion_or_a_comparison_is_read(tmp_path):
    half = save(tmp_path / "half.h5", weights(), dtype="float16")
    loaded = load_checkpoint(half, mapped=True)
    assert not is_mapped(loaded.flat)
    np.testing.assert_array_equal(loaded.flat, weights().astype(np.float16).astype(np.float32))
    full = save(tmp_path / "full.h5", weights())
    assert not is_mapped(load_checkpoint(full, mapped=True, verify=True).flat)
    model, _ = load_model(full, device="cpu", dtype="float64")
    assert model.flat.dtype == np.float64 and not is_mapped(model.flat)


def test_weights_that_do_not_lie_in_order_are_read(tmp_path):
    """As in files written before arrays were laid out one after the other."""
    path = save(tmp_path / "a.h5", weights())
    with h5py.File(path, "r+") as root:
        moved = root.create_dataset("elsewhere", data=root["params/wpe"][()])
        for name, value in root["params/wpe"].attrs.items():
            moved.attrs.create(name, value)
        del root["params/wpe"]
        root.move("elsewhere", "params/wpe")
    loaded = load_checkpoint(path, mapped=True)
    assert not is_mapped(loaded.flat)
    assert loaded.flat.tobytes() == weights().tobytes()


def test_where_a_mapped_file_cannot_be_replaced_weights_are_read(tmp_path, monkeypatch):
    path = save(tmp_path / "a.h5", weights())
    monkeypatch.setattr(arrays, "mapped_files_can_be_replaced", lambda: False)
    model, _ = load_model(path, device="cpu")
    assert not is_mapped(model.flat)
    assert model.flat.tobytes() == weights().tobytes()
