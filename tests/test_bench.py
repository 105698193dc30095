"""`python -m tinygpt.bench` measures the model that it is told to, and says so in words or JSON."""

import json
import signal
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest
from small_models import SMALL, order_one

from tinygpt import bench, probe, speed, threads
from tinygpt.checkpoint import save_checkpoint
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.flops import flops_per_token, multiplied_count
from tinygpt.params import parameter_count
from tinygpt.tokenizers import CharTokenizer

COMMAND = [sys.executable, "-W", "error", "-m", "tinygpt.bench"]
QUICK = ["--seconds", "0.01", "--threads", "1"]


def run(*words):
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=120)


@pytest.fixture
def quiet_machine(monkeypatch):
    monkeypatch.setattr(probe, "gflops", lambda dtype: 100.0)


@pytest.fixture
def small(tmp_path, quiet_machine):
    """A checkpoint of 11 letters."""
    path = tmp_path / "small.h5"
    model = order_one(dtype=np.float32)
    tokenizer = CharTokenizer("abcdefghijk")
    save_checkpoint(path, config=SMALL, flat=model.flat, tokenizer=tokenizer, state={})
    return str(path)


def measured(capsys, *words):
    bench.main([*words, *QUICK, "--json"])
    return json.loads(capsys.readouterr().out)


def test_the_shipped_model_is_measured_in_a_process_of_its_own():
    done = run("--seconds", "0.05", "--json", "--batch-size", "2", "--texts", "3")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["config"]["n_embd"] == 224 and found["dtype"] == "float32"
    shapes = [(part["part"], part["texts"], part["tokens"]) for part in found["parts"]]
    assert shapes == [("train", 2, 240), ("prefill", 1, 120), ("decode", 1, 1), ("decode", 3, 1)]
    assert found["peak_gflops_before"] > 0 and found["peak_gflops_after"] > 0
    assert done.stderr.startswith("note: ") == found["busy"] and done.stderr.count("\n") <= 1
    for part in found["parts"]:
        assert 0 < part["p10_ms"] <= part["median_ms"] <= part["p90_ms"]
        assert part["memory_bytes"] > 4 * found["parameters"]
    assert found["process_peak_bytes"] > max(part["memory_bytes"] for part in found["parts"])


def test_every_number_follows_from_the_median_time(small, capsys):
    found = measured(capsys, "--checkpoint", small, "--batch-size", "3")
    assert found["parameters"] == parameter_count(SMALL) and found["threads"] == 1
    train, _, decode, _ = found["parts"]
    seconds = train["median_ms"] / 1e3
    flops = 3 * SMALL.block_size * flops_per_token(SMALL)
    assert train["tokens_per_second"] == pytest.approx(3 * SMALL.block_size / seconds)
    assert train["gflops"] == pytest.approx(flops / seconds / 1e9)
    assert train["share_of_peak"] == pytest.approx(train["gflops"] / 100)
    assert train["weights_gb_per_second"] is None
    bandwidth = 4 * multiplied_count(SMALL) / (decode["median_ms"] / 1e3) / 1e9
    assert decode["weights_gb_per_second"] == pytest.approx(bandwidth)


def test_a_preset_is_measured_with_its_own_batch_and_as_many_ids_as_its_tokenizer_has(
    quiet_machine, capsys
):
    for preset, rows, ids in (("tiny", 8, 257), ("shakespeare-char-cpu", 12, 65)):
        found = measured(capsys, "--preset", preset, "--only", "train")
        assert found["config"]["vocab_size"] == ids
        assert [(part["part"], part["texts"]) for part in found["parts"]] == [("train", rows)]


def test_doubles_are_measured_as_doubles_against_their_own_peak(small, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(probe, "gflops", lambda dtype: asked.append(dtype) or 50.0)
    found = measured(capsys, "--checkpoint", small, "--dtype", "float64")
    assert found["dtype"] == "float64" and asked == ["float64", "float64"]
    assert found["parts"][0]["memory_bytes"] > 8 * found["parameters"]


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--only", "train"], ["train"]),
        (["--only", "prefill"], ["prefill"]),
        (["--only", "decode"], ["decode", "decode"]),
        (["--only", "decode", "--texts", "1"], ["decode"]),
    ],
)
def test_one_part_alone_can_be_asked_for(flags, parts, small, capsys):
    found = measured(capsys, "--checkpoint", small, *flags)
    assert [part["part"] for part in found["parts"]] == parts


def test_the_table_is_plain_lines_of_one_width_in_a_pipe(small, capsys):
    bench.main(["--checkpoint", small, *QUICK, "--context", "5"])
    said = capsys.readouterr()
    title, _, *table, _, below = said.out.splitlines()
    assert title.startswith(f"{small}: {parameter_count(SMALL):,} parameters")
    assert [line[: len("train   12 texts of 8 tokens")].strip() for line in table[1:]] == [
        "train   12 texts of 8 tokens",
        "prefill 1 text of 5 tokens",
        "decode  1 text, token 5",
        "decode  8 texts, token 5",
    ]
    assert len({len(line) for line in table}) == 1
    assert below.startswith("matrix products: 100 GFLOP/s before, 100 after")
    assert not set("\r\x1b") & set(said.out) and said.err == ""
    bench.main(["--checkpoint", small, *QUICK, "--context", "1", "--only", "prefill"])
    assert "prefill 1 text of 1 token " in capsys.readouterr().out


@pytest.mark.parametrize(("before", "after", "busy"), [(100, 79, 1), (79, 100, 1), (100, 81, 0)])
def test_a_peak_that_changes_by_more_than_a_fifth_is_told(
    before, after, busy, small, monkeypatch, capsys
):
    speeds = iter([float(before), float(after)])
    monkeypatch.setattr(probe, "gflops", lambda dtype: next(speeds))
    bench.main(["--checkpoint", small, *QUICK, "--only", "prefill"])
    note = capsys.readouterr().err
    assert note.count("\n") == busy and ("the machine is busy" in note) == bool(busy)


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_prints_what_was_measured_so_far(as_json, small, monkeypatch, capsys):
    drawn = iter([0, 0, 0])

    def draw(probs, u):
        for token in drawn:
            return token
        raise KeyboardInterrupt

    monkeypatch.setattr(speed, "draw", draw)
    with pytest.raises(KeyboardInterrupt):
        flags = ["--json"] * as_json
        bench.main(["--checkpoint", small, "--seconds", "0.5", "--threads", "1", *flags])
    said = capsys.readouterr()
    if as_json:
        found = json.loads(said.out)
        assert [part["part"] for part in found["parts"]] == ["train", "prefill", "decode"]
        assert found["parts"][2]["times"] == 2 and found["peak_gflops_after"] is None
    else:
        assert said.out.count("\ndecode") == 1 and "100 GFLOP/s before, stopped" in said.out
    assert said.err == ""


@pytest.mark.parametrize("stopped", [False, True])
def test_a_share_beyond_the_peak_is_never_printed_without_a_note(
    stopped, small, monkeypatch, capsys
):
    speeds = iter([1e-9] if stopped else [1e-9, 1e-9])

    def gflops(dtype):
        for each in speeds:
            return each
        raise KeyboardInterrupt

    monkeypatch.setattr(probe, "gflops", gflops)
    with pytest.raises(KeyboardInterrupt) if stopped else nullcontext():
        bench.main(["--checkpoint", small, *QUICK, "--only", "prefill", "--json"])
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["parts"][0]["share_of_peak"] > 1 and found["busy"]
    assert said.err.startswith("note: ") and "the machine is busy" in said.err


def test_the_peak_is_measured_with_no_more_threads_than_cores(small, monkeypatch):
    asked = []
    blas = threads.blas_threads
    monkeypatch.setattr(threads, "default_workers", lambda: 2)
    monkeypatch.setattr(threads, "blas_threads", lambda n: asked.append(n) or blas(n))
    bench.main(["--checkpoint", small, "--seconds", "1e-9", "--threads", "3", "--only", "prefill"])
    assert asked == [2, 3, 2]


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--batch-size", "10000"], r"train of 10,000 texts takes about .* lower --batch-size"),
        (["--texts", "10000"], r"decode of 10,000 texts takes about .* lower --texts"),
    ],
)
def test_what_does_not_fit_in_memory_is_not_begun(flags, complaint, monkeypatch, capsys):
    monkeypatch.setattr(threads, "memory_available", lambda: 10**9)
    with pytest.raises(ConfigError, match=complaint):
        bench.main(flags)
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_a_process_that_is_interrupted_exits_130_without_a_traceback():
    process = subprocess.Popen(
        [*COMMAND, "--seconds", "600"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert "parameters" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and errors == ""


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--seconds", "0"], "seconds is 0.0; it must be above 0"),
        (["--seconds", "nan"], "seconds is nan"),
        (["--seconds", "inf"], "seconds is inf"),
        (["--batch-size", "0"], "batch_size is 0; it must be from 1 to 10,000"),
        (["--texts", "-1"], "texts is -1"),
        (["--texts", "9" * 300], "texts is 9{30,40}; it must be from 1"),
        (["--threads", "-1"], "threads is -1; it must be from 0 to 1,024"),
        (["--threads", "1025"], "threads is 1025"),
        (["--context", "0"], "context is 0; this model reads from 1 to 240 tokens"),
        (["--context", "241"], "context is 241"),
        (["--preset", "tinny"], "did you mean 'tiny'"),
        (["--preset", "nope"], "`--help` lists the presets"),
        (["--preset", ""], "there is no preset ''"),
    ],
)
def test_a_value_that_cannot_be_is_refused(flags, complaint):
    with pytest.raises(ConfigError, match=complaint):
        bench.main(flags)


@pytest.mark.parametrize(
    "flags",
    [
        ["--preset", "tiny", "--checkpoint", "x"],
        ["--only", "speak"],
        ["--only", "train", "--context", "5"],
        ["--only", "prefill", "--texts", "5"],
        ["--only", "decode", "--batch-size", "5"],
        ["--dtype", "int8"],
    ],
)
def test_flags_that_cannot_both_be_meant_are_wrong_usage(flags, capsys):
    with pytest.raises(SystemExit) as left:
        bench.main(flags)
    assert left.value.code == 2 and capsys.readouterr().out == ""


def test_a_run_that_is_not_there_is_refused():
    with pytest.raises(CheckpointError):
        bench.main(["--run-name", "nobody-made-this"])


def test_a_mistake_is_one_sentence():
    done = run("--seconds", "-1")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == "error: seconds is -1.0; it must be above 0 and at most 3,600\n"
