"""Saving: what lies in the file, and that a save is whole or did not happen."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_checkpoints import CONFIG, arguments

from tinygpt.checkpoint import load_checkpoint, save_checkpoint
from tinygpt.errors import CheckpointError, ShapeError
from tinygpt.params import param_shapes
from tinygpt.tokenizers import CharTokenizer


def test_what_was_saved_is_loaded_bit_for_bit(saved):
    given = arguments()
    loaded = load_checkpoint(saved, optimizer=True, verify=True)
    assert loaded.config == CONFIG
    assert loaded.flat.dtype == np.float32
    assert loaded.flat.tobytes() == given["flat"].tobytes()
    assert loaded.m.tobytes() == given["optimizer"][0].tobytes()
    assert loaded.v.tobytes() == given["optimizer"][1].tobytes()
    assert loaded.state == given["state"]
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("decade")) == "decade"
    assert loaded.path == saved


def test_without_asking_for_it_the_optimiser_is_not_read(saved):
    loaded = load_checkpoint(saved)
    assert loaded.m is None and loaded.v is None
    with h5py.File(saved, "r+") as root:  # not even looked at
        del root["optimizer/m/wte"]
    load_checkpoint(saved)
    with pytest.raises(CheckpointError, match="/optimizer/m lacks wte"):
        load_checkpoint(saved, optimizer=True)


def test_float64_stays_float64(tmp_path):
    flat = arguments()["flat"].astype(np.float64) / 3
    save_checkpoint(tmp_path / "a.h5", **arguments(flat=flat, optimizer=(flat, flat)))
    loaded = load_checkpoint(tmp_path / "a.h5", optimizer=True, verify=True)
    assert loaded.flat.dtype == loaded.m.dtype == np.float64
    assert loaded.flat.tobytes() == flat.tobytes()


def test_weights_stored_as_float16_come_back_as_float32(tmp_path):
    given = arguments(optimizer=None)
    save_checkpoint(tmp_path / "half.h5", **given, dtype="float16")
    save_checkpoint(tmp_path / "full.h5", **given)
    loaded = load_checkpoint(tmp_path / "half.h5", verify=True)
    assert loaded.flat.dtype == np.float32
    assert np.array_equal(loaded.flat, given["flat"].astype(np.float16).astype(np.float32))
    saving = (tmp_path / "full.h5").stat().st_size - (tmp_path / "half.h5").stat().st_size
    assert saving > given["flat"].nbytes // 2 - 1000


def test_a_weight_beyond_float16_is_refused_by_name(tmp_path):
    flat = arguments()["flat"]
    flat[1] = 1e5
    with pytest.raises(CheckpointError, match="wte holds 100000 and float16 ends at 65504"):
        save_checkpoint(tmp_path / "a.h5", **arguments(flat=flat), dtype="float16")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flat", [np.zeros(3, np.float32), arguments()["flat"].astype(np.int64)])
def test_an_array_that_does_not_fit_is_refused(tmp_path, flat):
    with pytest.raises(ShapeError, match="needs float32 or float64 of shape"):
        save_checkpoint(tmp_path / "a.h5", **arguments(flat=flat))


def test_the_same_model_gives_the_same_bytes(saved, tmp_path):
    time.sleep(1.1 - time.time() % 1)  # into the next second: HDF5's time stamps count seconds
    save_checkpoint(tmp_path / "again.h5", **arguments())
    assert (tmp_path / "again.h5").read_bytes() == saved.read_bytes()


def test_the_tree_shows_the_model(saved):
    with h5py.File(saved) as root:
        names = []
        root.visit(names.append)
        datasets = {name for name in names if isinstance(root[name], h5py.Dataset)}
        expected = {path.replace(".", "/") for path in param_shapes(CONFIG)}
        groups = ("params", "optimizer/m", "optimizer/v")
        assert datasets == {f"{group}/{name}" for group in groups for name in expected}
        weight = root["params/h/0/mlp/proj/w"]
        assert weight.shape == (8, 32)
        assert weight.attrs["layout"] == b"oi"
        assert len(weight.attrs["sha256"]) == 64
        assert weight.chunks is None and weight.compression is None
        assert weight.id.get_offset() % 64 == 0
        assert root.attrs["format"] == b"tinygpt"
        assert root.attrs["version"] == 1


def test_a_tokenizer_of_half_a_megabyte_fits(tmp_path):
    characters = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))  # 6 bytes each as JSON
    config = arguments()["config"].__class__(20_000, 1, 1, 1, 1)
    flat = np.ones(sum(np.prod(s.shape) for s in param_shapes(config).values()), np.float32)
    state = {"note": "x" * 300_000}
    path = tmp_path / "big.h5"
    save_checkpoint(
        path, config=config, flat=flat, tokenizer=CharTokenizer(characters), state=state
    )
    loaded = load_checkpoint(path, verify=True)
    assert loaded.tokenizer.decode([0, 19_999]) == characters[0] + characters[-1]
    assert loaded.state == state
    damaged = path.read_bytes().replace(b"xxxxxxxx", b"xxyxxxxx", 1)
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_checkpoint(path)


def test_a_loss_that_is_not_a_number_is_kept(tmp_path):
    save_checkpoint(tmp_path / "a.h5", **arguments(state={"loss": float("nan"), "best": np.inf}))
    state = load_checkpoint(tmp_path / "a.h5").state
    assert np.isnan(state["loss"]) and state["best"] == np.inf


def test_a_failed_save_leaves_the_earlier_file_and_says_so(tmp_path):
    path = tmp_path / "folder" / "a.h5"
    save_checkpoint(path, **arguments())
    path.unlink()
    path.mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(CheckpointError, match=r"a\.h5 could not be saved \(Is a directory\)"):
        save_checkpoint(path, **arguments())
    assert [entry.name for entry in path.parent.iterdir()] == ["a.h5"]


def test_a_killed_writers_leftovers_are_swept_but_not_a_living_ones(saved):
    old, new = (saved.with_name(f".{saved.name}.{kind}.tmp") for kind in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half a file")
    os.utime(old, (time.time() - 3600,) * 2)
    save_checkpoint(saved, **arguments())
    assert not old.exists() and new.exists()


PATHS = os.pathsep.join(str(Path(__file__).resolve().parents[i]) for i in (0, 2))
ENVIRONMENT = {**os.environ, "PYTHONPATH": PATHS}  # small_checkpoints and tinygpt


FULL_DISK = """
import random, resource, sys

from small_checkpoints import arguments
from tinygpt.checkpoint import load_checkpoint, save_checkpoint
from tinygpt.errors import CheckpointError

path, size = sys.argv[1], int(sys.argv[2])
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
draw = random.Random(0)
for _ in range(25):
    resource.setrlimit(resource.RLIMIT_FSIZE, (draw.randrange(1, size), unlimited))
    try:
        save_checkpoint(path, **arguments(seed=1))
    except CheckpointError as error:
        assert "could not be saved (File too large); the earlier file is untouched" in str(error)
        assert isinstance(error.__cause__, OSError)
    else:
        raise SystemExit("saved beyond the limit")
"""


def test_a_full_disk_leaves_the_earlier_file(saved):
    before = saved.read_bytes()
    command = [sys.executable, "-c", FULL_DISK, str(saved), str(len(before))]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


WRITER = """
import sys
from small_checkpoints import arguments
from tinygpt.checkpoint import save_checkpoint

models = [arguments(seed) for seed in range(2)]
while True:
    for model in models:
        save_checkpoint(sys.argv[1], **model)
        print("saved", flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path):
    path = tmp_path / "latest.h5"
    whole = {arguments(seed)["flat"].tobytes() for seed in range(2)}
    draw = np.random.default_rng(0)
    command = [sys.executable, "-c", WRITER, str(path)]
    for _ in range(5):
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as writer:
            writer.stdout.readline()
            time.sleep(draw.uniform(0, 0.02))
            writer.send_signal(signal.SIGKILL)
        loaded = load_checkpoint(path, optimizer=True, verify=True)
        assert loaded.flat.tobytes() in whole
