"""int8 checkpoints: the same numbers come back, and no other file passes for one."""

import random
import re
import subprocess
import sys
import tracemalloc

import h5py
import numpy as np
import pytest
from small_checkpoints import arguments

import tinygpt
from tinygpt import int8
from tinygpt.checkpoint import (
    load,
    load_checkpoint,
    load_int8,
    load_model,
    read_outline,
    save_checkpoint,
    verify_checkpoint,
)
from tinygpt.checkpoint.__main__ import main
from tinygpt.checkpoint.format import sha256
from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.int8 import Int8GPT, Int8Matrix, int8_paths, quantised
from tinygpt.model import GPT
from tinygpt.params import init_params, named_views, param_shapes

CONFIG = ModelConfig(vocab_size=5, block_size=8, n_layer=2, n_head=2, n_embd=16)
PATHS = int8_paths(CONFIG)


@pytest.fixture
def flat():
    rng = np.random.default_rng(0)
    values = init_params(CONFIG, rng)
    return values + rng.standard_normal(values.size, dtype=np.float32)


def save(path, flat, **changes):
    given = arguments(config=CONFIG, flat=flat, optimizer=None)
    save_checkpoint(path, **given | changes)
    return path


@pytest.fixture
def small(tmp_path, flat):
    return save(tmp_path / "small.h5", flat, dtype="int8")


def assert_same_weights(given, expected):
    assert list(given) == list(expected)
    for path, w in expected.items():
        if isinstance(w, Int8Matrix):
            assert given[path].q.dtype == np.int8 and given[path].scale.dtype == np.float32
            np.testing.assert_array_equal(given[path].q, w.q)
            np.testing.assert_array_equal(given[path].scale, w.scale)
        else:
            assert given[path].dtype == np.float32
            np.testing.assert_array_equal(given[path], w)


@pytest.mark.parametrize("dtype", ["int8", "float32", "float64"])
def test_int8_weights_come_from_any_file(tmp_path, flat, dtype):
    path = save(tmp_path / "a.h5", flat, dtype=dtype)
    model, outline = load_int8(path)
    assert isinstance(model, Int8GPT) and outline.dtype == dtype
    assert_same_weights(model.weights, quantised(GPT(CONFIG, flat)).weights)


def test_a_file_of_float16_is_quantised_too(tmp_path, flat):
    model, _ = load_int8(save(tmp_path / "a.h5", flat, dtype="float16"))
    halved = GPT(CONFIG, flat.astype(np.float16).astype(np.float32))
    assert_same_weights(model.weights, quantised(halved).weights)


def test_an_int8_file_gives_float_weights_where_they_are_asked_for(small, flat):
    expected = quantised(GPT(CONFIG, flat)).weights
    loaded = load_checkpoint(small, verify=True, mapped=True)
    assert loaded.flat.dtype == np.float32
    for path, w in named_views(loaded.flat, CONFIG).items():
        wanted = expected[path]
        if path in PATHS:
            wanted = wanted.expanded()
            turned = param_shapes(CONFIG)[path].layout == "io" and path != "wte"
            wanted = wanted.T if turned else wanted
        np.testing.assert_array_equal(w, wanted)
    model, _ = load_model(small, device="cpu", dtype="float64")
    np.testing.assert_array_equal(model.flat, loaded.flat)


def test_a_model_from_an_int8_file_speaks(small):
    model, tokenizer = load_model(small, device="cpu", dtype="int8")
    plain, _ = load_model(small, device="cpu")
    said = [
        tinygpt.generate_text(m, tokenizer, "bad", seed=3, max_new_tokens=20)
        for m in (model, plain)
    ]
    assert said[0] == said[1] and len(said[0]) == 20


def test_an_int8_file_takes_a_quarter_and_says_what_it_is(tmp_path, capsys):
    config = ModelConfig(vocab_size=5, block_size=8, n_layer=2, n_head=2, n_embd=128)
    values = init_params(config, np.random.default_rng(0))
    big = save(tmp_path / "big.h5", values, config=config)
    main(["slim", str(big), str(tmp_path / "small.h5"), "--dtype", "int8"])
    assert (tmp_path / "small.h5").stat().st_size < 0.3 * big.stat().st_size
    main(["verify", str(tmp_path / "small.h5")])
    main(["show", str(tmp_path / "small.h5")])
    text = capsys.readouterr().out
    arrays = len(param_shapes(config)) + len(int8_paths(config))
    assert f"all {arrays} arrays have the SHA-256" in text
    assert ", int8, no optimiser state" in text
    cells = [line.split() for line in text.splitlines()]
    assert ["h.*.attn.qkv.w", "(384,", "128)", "oi", "x", "2", "98.3", "kB"] in cells
    assert ["h.*.attn.qkv.w", "scale", "(384,)", "io", "x", "2", "3.1", "kB"] in cells


def test_slimming_an_int8_file_again_changes_no_number(tmp_path, small):
    main(["slim", str(small), str(tmp_path / "again.h5")])
    assert read_outline(tmp_path / "again.h5").dtype == "int8"
    first, again = load_int8(small)[0].weights, load_int8(tmp_path / "again.h5")[0].weights
    for path in PATHS:
        np.testing.assert_array_equal(again[path].q, first[path].q)
        np.testing.assert_allclose(again[path].scale, first[path].scale, rtol=2e-7)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_loading_never_holds_all_weights_as_floats(tmp_path, dtype, monkeypatch):
    monkeypatch.setattr(int8, "EXPANDED", 1 << 18)
    config = ModelConfig(vocab_size=20_000, block_size=8, n_layer=2, n_head=2, n_embd=128)
    values = init_params(config, np.random.default_rng(0))
    path = save(tmp_path / "a.h5", values, config=config, dtype=dtype)
    load_int8(path)  # what is imported on the way
    tracemalloc.start()
    try:
        load_int8(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    quarter, block = values.size * 1.05, 3 * 4 * int8.EXPANDED
    assert peak < quarter + block < 0.7 * values.nbytes


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_int8_cannot_hold_are_refused(tmp_path, flat, bad):
    flat[3] = bad
    with pytest.raises(ConfigError, match="infinite or no number, which int8 cannot hold"):
        save(tmp_path / "a.h5", flat, dtype="int8")
    assert list(tmp_path.iterdir()) == []
    path = save(tmp_path / "a.h5", flat)
    with pytest.raises(CheckpointError, match="infinite or no number, which int8 cannot hold"):
        load_int8(path)


def test_an_optimiser_is_not_saved_with_int8_weights(tmp_path, flat):
    with pytest.raises(ConfigError, match="int8 weights cannot be trained on"):
        save(tmp_path / "a.h5", flat, dtype="int8", optimizer=(flat, flat))
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_is_refused(small, monkeypatch):
    monkeypatch.setattr(load, "select", lambda device: np if device == "cpu" else random)
    assert isinstance(load_model(small, device="auto", dtype="int8")[0], Int8GPT)
    with pytest.raises(ConfigError, match="int8 weights are for the CPU; choose"):
        load_model(small, device="gpu", dtype="int8")


def test_what_is_made_of_int8_weights_says_so(small, tmp_path, capsys):
    main(["slim", str(small), str(tmp_path / "same.h5")])
    assert capsys.readouterr().err == ""
    main(["slim", str(small), str(tmp_path / "wide.h5"), "--dtype", "float32"])
    note = f"note: the weights of {small} were rounded to int8 and stay so\n"
    assert capsys.readouterr().err == note


@pytest.mark.parametrize("dtype", ["int8", "float32", "float64"])
@pytest.mark.parametrize("stored", ["int8", "float32", "float64"])
def test_damaged_weights_are_one_sentence_and_no_warning(tmp_path, flat, stored, dtype):
    values = flat.astype(np.float64) * (1e300 if stored == "float64" else 1.0)
    path = save(tmp_path / "a.h5", flat if stored == "int8" else values, dtype=stored)
    with h5py.File(path, "r+") as root:
        dataset = root["scales/wte" if stored == "int8" else "params/h/0/mlp/fc/b"]
        if stored != "float64":
            dataset[...] = np.full(dataset.shape, 3e38)
        dataset.attrs.create("sha256", np.bytes_(sha256(dataset[()])))
    words = ["--checkpoint", str(path), "--prompt", "bad", "--dtype", dtype, "--lookup", "2"]
    for flags in (words, words[:-2]):
        done = subprocess.run(
            [sys.executable, "-m", "tinygpt.generate", "--device", "cpu", *flags],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert "Warning" not in done.stderr and done.stderr.count("\n") <= 1
        if done.returncode:
            assert re.match("error: .*(are not numbers|infinite or no number)", done.stderr)


def put(name, data, layout="oi"):
    def change(root):
        if name in root:
            del root[name]
        dataset = root.create_dataset(name, data=data)
        dataset.attrs.create("layout", np.bytes_(layout))

    return change


def delete(name):
    def change(root):
        del root[name]

    return change


def optimiser(root):
    root.copy("params", root.create_group("optimizer"), "m")
    root.copy("params", root["optimizer"], "v")


def value(number):
    def change(root):
        root["scales/wte"][2] = number

    return change


def float_weights(root):
    for path, spec in param_shapes(CONFIG).items():
        name = f"params/{path.replace('.', '/')}"
        put(name, np.zeros(spec.shape, np.float32), spec.layout)(root)


HOSTILE = {
    "a matrix of floats": (put("params/wte", np.zeros((5, 16), "<f4")), "/wte is not int8"),
    "unsigned numbers": (put("params/wte", np.zeros((5, 16), "u1")), "/wte is not int8"),
    "a vector of int8": (put("params/lnf/w", np.zeros(16, "i1"), "io"), "/lnf/w is not float32"),
    "float64 scales": (put("scales/wte", np.zeros(5), "io"), "/scales/wte is not float32"),
    "a scale too few": (put("scales/wte", np.zeros(4, "<f4"), "io"), r"has shape \(4,\)"),
    "turned": (put("params/h/0/attn/qkv/w", np.zeros((16, 48), "i1")), "has shape"),
    "wrong layout": (put("params/wte", np.zeros((5, 16), "i1"), "io"), "needs 'oi'"),
    "scales missing": (delete("scales"), "not a little-endian float"),
    "one scale missing": (delete("scales/h/1/mlp/fc/w"), "/scales/h/1/mlp/fc lacks w"),
    "an extra scale": (put("scales/wpe", np.zeros(8, "<f4"), "io"), "should hold 2"),
    "an optimiser": (optimiser, "holds 3 objects and should hold 2"),
    "soft-linked scales": (lambda root: root.__setitem__("x", h5py.SoftLink("/scales")), "holds 3"),
    "an old version": (lambda root: root.attrs.create("version", np.int64(1)), "says version 1"),
    "scales over floats": (float_weights, "is not int8"),
}
NUMBERS = {"nan": np.nan, "infinite": np.inf, "negative": -1.0}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_int8_file_is_refused(small, kind):
    change, reason = HOSTILE[kind]
    with h5py.File(small, "r+") as root:
        change(root)
    for read in (load_checkpoint, load_int8, verify_checkpoint):
        with pytest.raises(CheckpointError, match=reason) as caught:
            read(small)
        assert str(small) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_scale_that_is_none_is_refused(small, kind):
    with h5py.File(small, "r+") as root:
        value(NUMBERS[kind])(root)
    for read in (load_checkpoint, load_int8):
        with pytest.raises(CheckpointError, match="/scales/wte holds a scale that is negative or"):
            read(small)


@pytest.mark.parametrize(
    "name", ["params/wte", "scales/wte", "params/lnf/b", "scales/h/1/mlp/fc/w"]
)
def test_a_flipped_bit_is_found_when_verified(small, name):
    with h5py.File(small) as root:
        at = root[name].id.get_offset()
    data = bytearray(small.read_bytes())
    data[at] ^= 1
    small.write_bytes(data)
    reads = [verify_checkpoint, lambda path: load_checkpoint(path, verify=True)]
    if name.startswith("scales/"):
        reads += [load_int8, load_checkpoint]
    else:
        load_int8(small)  # silent: HDF5 has no checksum for it
    for verify in reads:
        with pytest.raises(CheckpointError, match=f"/{name} does not have the SHA-256"):
            verify(small)


def test_a_damaged_int8_file_is_refused_or_harmless(small):
    original, honest = small.read_bytes(), load_checkpoint(small).flat
    draw, refused = random.Random(0), 0
    for _ in range(100):
        data = bytearray(original)
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        small.write_bytes(data[: draw.choice([len(data), draw.randrange(len(data))])])
        try:
            loaded = load_checkpoint(small, verify=True)
        except CheckpointError:
            refused += 1
        else:  # the damage was in unused bytes
            assert loaded.flat.tobytes() == honest.tobytes()
    assert refused > 70
