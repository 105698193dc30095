"""The checkpoint command: show, verify and slim, on real files."""

import math
import subprocess
import sys

import h5py
import numpy as np
import pytest
from small_checkpoints import CONFIG, arguments

from tinygpt.checkpoint import load_checkpoint, read_outline, save_checkpoint
from tinygpt.checkpoint.__main__ import main
from tinygpt.errors import CheckpointError
from tinygpt.params import parameter_count


def shown(capsys, *words):
    main([str(word) for word in words])
    return capsys.readouterr().out


def flip_a_bit(path, name):
    with h5py.File(path, "r") as file:
        at = file[name].id.get_offset()
    data = bytearray(path.read_bytes())
    data[at + 5] ^= 1
    path.write_bytes(data)


def test_show_tells_configuration_losses_and_every_shape(tmp_path, capsys):
    path = tmp_path / "model.h5"
    state = {
        "step": 1200, "steps": 3000, "loss": 1.25, "val_loss": math.nan, "best_val_loss": 1.5,
        "data": {"name": "book.txt", "train_tokens": 123456},
    }  # fmt: skip
    save_checkpoint(path, **arguments(state=state))
    lines = shown(capsys, "show", path).splitlines()
    assert lines[0].startswith(f"{path}: 0.0 MB, float32, with the optimiser's averages")
    text = "\n".join(lines)
    assert "vocab_size 5, block_size 4, n_layer 1, n_head 2, n_embd 8" in text
    assert "tokenizer      char, 5 ids" in text
    assert "step           1,200 of 3,000" in text
    assert "losses         loss 1.2500, best_val_loss 1.5000" in text
    assert "text           'book.txt', 123,456 tokens to learn" in text
    (row,) = (line.split() for line in lines if line.startswith("h.*.mlp.proj.w"))
    assert row == ["h.*.mlp.proj.w", "(8,", "32)", "oi", "x", "1", "1.0", "kB"]
    assert lines[-1] == f"{parameter_count(CONFIG):,} parameters, 3.8 kB"
    assert len(lines) < 40


def test_show_reads_no_weight(capsys, saved):
    flip_a_bit(saved, "params/wte")
    assert "no optimiser" not in shown(capsys, "show", saved)
    assert read_outline(saved).dtype == "float32"


def test_show_says_what_was_converted_and_escapes_what_a_terminal_would_obey(tmp_path, capsys):
    path = tmp_path / "model.h5"
    state = {"converted_from": "gpt2\x1b[2J", "step": "x", "data": [1]}
    save_checkpoint(path, **arguments(state=state, optimizer=None, dtype="float16"))
    text = shown(capsys, "show", path)
    assert r"converted      from the GPT-2 folder 'gpt2\x1b[2J'" in text
    assert ", float16, no optimiser state" in text
    assert "\x1b" not in text


def test_verify_counts_what_it_compared(capsys, saved):
    once = len([*h5py_arrays(saved)])
    assert f"all {once} arrays have the SHA-256" in shown(capsys, "verify", saved)


def h5py_arrays(path):
    names = []
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, o: names.append(name) if isinstance(o, h5py.Dataset) else None)
    return names


@pytest.mark.parametrize(
    "name", ["params/wte", "params/lnf/b", "optimizer/m/wpe", "optimizer/v/wte"]
)
def test_verify_finds_one_bit_that_flipped_and_says_where(name, saved):
    flip_a_bit(saved, name)
    with pytest.raises(CheckpointError, match=f"/{name} does not have the SHA-256"):
        main(["verify", str(saved)])


def test_slim_drops_the_optimiser_and_changes_how_weights_are_stored(tmp_path, capsys, saved):
    for words, dtype in ([], "float32"), (["--dtype", "float16"], "float16"):
        slim = tmp_path / f"{dtype}.h5"
        shown(capsys, "slim", saved, slim, *words)
        outline = read_outline(slim)
        assert (outline.dtype, outline.optimizer) == (dtype, False)
        before, after = load_checkpoint(saved), load_checkpoint(slim, verify=True)
        np.testing.assert_array_equal(after.flat, before.flat.astype(dtype).astype(np.float32))
        assert after.state == before.state
    with pytest.raises(CheckpointError, match=r"float16\.h5 exists already"):
        main(["slim", str(saved), str(slim)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["slim", "a.h5"], "slim needs two names"),
        (["show", "a.h5", "b.h5"], "show takes one name"),
        (["verify", "a.h5", "--dtype", "float16"], "verify takes one name"),
        (["look", "a.h5"], "invalid choice: 'look'"),
        (["slim", "a.h5", "b.h5", "--dtype", "int4"], "invalid choice: 'int4'"),
    ],
)
def test_wrong_usage_is_exit_code_2(words, message, capsys):
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert message in capsys.readouterr().err


def test_a_damaged_file_is_one_sentence_on_stderr_and_exit_code_1(saved):
    flip_a_bit(saved, "params/wte")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tinygpt.checkpoint", "verify", str(saved)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {saved} is damaged") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_slim_keeps_how_weights_are_stored_unless_told(tmp_path, capsys, saved, dtype):
    stored, again = tmp_path / "stored.h5", tmp_path / "again.h5"
    shown(capsys, "slim", saved, stored, "--dtype", dtype)
    shown(capsys, "slim", stored, again)
    assert read_outline(again).dtype == dtype
    assert again.stat().st_size <= stored.stat().st_size
