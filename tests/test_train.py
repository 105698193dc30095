"""The training command: files, resume bit for bit, interruption, refusals, --help."""

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from runs import (
    COMMAND,
    ENVIRONMENT,
    ROOT,
    assert_same_end,
    run_process,
    started_process,
    wait_for,
)

from tinygpt import fine_tuning, run_start, train
from tinygpt.checkpoint import load_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.corpus import prepare_text
from tinygpt.data.recipes import tales_corpus
from tinygpt.errors import BackendError, CheckpointError, ConfigError, DataError, TinyGPTError
from tinygpt.plot import plot_losses, read_log
from tinygpt.progress import Progress
from tinygpt.run_start import resume_run
from tinygpt.threads import locked
from tinygpt.tokenizers import make_tokenizer
from tinygpt.training import Run

MODEL = [
    "--n-layer", "1", "--n-head", "2", "--n-embd", "8", "--block-size", "8", "--batch-size", "4",
    "--warmup", "2", "--log-every", "1", "--eval-every", "5", "--sample-every", "0", "--dropout",
    "0.2", "--threads", "2",
]  # fmt: skip


@pytest.fixture
def home(tmp_path, monkeypatch, signals_given_back):
    """A folder with a text to learn, as the current one."""
    words = "the cat sat on the mat and the dog sat on the cat\n"
    (tmp_path / "text.txt").write_text(words * 30, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def begin(name, *more):
    return train.main(["--data", "text.txt", "--run-name", name, *MODEL, *more])


def losses(name):
    keys = ("step", "loss", "val_loss", "lr")
    return [[entry[key] for key in keys] for entry in read_log(f"checkpoints/{name}/log.jsonl")]


def test_a_run_leaves_its_files_and_a_log_with_the_promised_keys(home, capsys):
    assert begin("a", "--steps", "10", "--save-every", "4", "--sample-every", "5") == 0
    folder = home / "checkpoints" / "a"
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock", "best.h5", "config.toml", "final.h5", "latest.h5", "log.jsonl", "loss.png",
        "step0000004.h5", "step0000008.h5",
    ]  # fmt: skip
    log = read_log(folder / "log.jsonl")
    assert [entry["step"] for entry in log] == list(range(1, 11))
    assert list(log[0]) == ["step", "loss", "val_loss", "lr", "tokens_per_second"]
    assert [entry["step"] for entry in log if entry["val_loss"] is not None] == [5, 10]
    assert log[0]["loss"] == pytest.approx(np.log(257), abs=0.1)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "\r" not in shown.err  # piped: plain lines
    assert re.search(
        r"^step 10/10  loss \d\.\d+  val \d\.\d+  [\d,]+ tokens/s  ETA 0 s$", shown.err, re.M
    )
    assert "--- step 5 says:" in shown.err


def test_the_loss_falls_and_best_is_the_lowest_validation_loss(home, capsys):
    begin("a", "--steps", "60", "--lr", "0.02", "--dropout", "0")
    measured = {step: val for step, _, val, _ in losses("a") if val is not None}
    assert measured[60] < measured[5] - 1
    state = load_checkpoint("checkpoints/a/best.h5").state
    assert state["val_loss"] == min(measured.values()) == measured[state["step"]]


def test_best_stays_where_it_was_when_the_validation_loss_rises(home, capsys):
    (home / "held.txt").write_text("zq" * 20, encoding="utf-8")  # what the text never says
    begin("a", "--steps", "20", "--lr", "0.02", "--val-file", "held.txt", "--tokenizer", "char")
    measured = [val for _, _, val, _ in losses("a") if val is not None]
    assert measured == sorted(measured)
    assert load_checkpoint("checkpoints/a/best.h5").state["step"] == 5
    assert "(best" in capsys.readouterr().err


def test_state_tells_what_the_run_was(home, capsys):
    begin("a", "--steps", "6")
    state = load_checkpoint("checkpoints/a/latest.h5").state
    assert (state["step"], state["steps"], state["optimizer_t"]) == (6, 6, 6)
    assert state["tokens_seen"] == 6 * 4 * 8
    assert state["epoch"] == pytest.approx(state["tokens_seen"] / state["data"]["train_tokens"])
    assert state["rng"] == {"seed": 1337, "step": 6}
    assert state["versions"]["numpy"] == np.__version__
    assert len(state["data"]["sha256"]) == 64


def test_twelve_steps_and_eight_resumed_are_twenty_steps_bit_for_bit(home):
    begin("straight", "--steps", "20")
    first = run_process(
        "--data", "text.txt", "--run-name", "parts", *MODEL, "--steps", "20", "--stop-at", "12"
    )
    assert first.returncode == 0, first.stderr
    assert "--run-name parts --resume" in first.stderr
    second = run_process("--run-name", "parts", "--resume")
    assert second.returncode == 0, second.stderr
    assert "resuming at step 12" in second.stderr
    assert losses("parts") == losses("straight")
    assert len(losses("parts")) == 20
    assert_same_end("straight", "parts")


def test_what_was_logged_after_the_last_save_is_logged_once(home, capsys):
    begin("a", "--steps", "10", "--stop-at", "6")
    log = home / "checkpoints/a/log.jsonl"
    lost = json.dumps({"step": 7, "loss": 9.0, "val_loss": None, "lr": 1, "tokens_per_second": 1})
    log.write_text(log.read_text() + lost + '\n{"step": 8, "lo')  # killed while it wrote
    train.main(["--run-name", "a", "--resume"])
    assert [entry[0] for entry in losses("a")] == list(range(1, 11))
    assert 9.0 not in [entry[1] for entry in losses("a")]


def test_more_steps_extend_a_finished_run_and_say_so(home, capsys):
    begin("a", "--steps", "5")
    assert train.main(["--run-name", "a", "--resume"]) == 0
    assert "this run is done: 5 of 5 steps; to train longer add --steps" in capsys.readouterr().err
    assert train.main(["--run-name", "a", "--resume", "--steps", "8"]) == 0
    assert "from 5 to 8 steps" in capsys.readouterr().err
    assert [entry[0] for entry in losses("a")] == list(range(1, 9))
    assert tomllib.loads(Path("checkpoints/a/config.toml").read_text())["steps"] == 8
    with pytest.raises(ConfigError, match="8 steps already"):
        train.main(["--run-name", "a", "--resume", "--steps", "7"])


def test_config_toml_gives_the_same_run(home, capsys):
    begin("a", "--steps", "6")
    train.main(["--config", "checkpoints/a/config.toml", "--run-name", "b"])
    assert losses("a") == losses("b")


def test_epochs_are_rounded_up_to_steps(home, capsys):
    begin("a", "--epochs", "0.2", "--batch-size", "8")
    n_train = load_checkpoint("checkpoints/a/latest.h5").state["data"]["train_tokens"]
    assert len(losses("a")) == -(-n_train // 5 // 64)


def test_a_resumed_run_takes_no_other_settings(home, capsys):
    begin("a", "--steps", "5", "--stop-at", "2")
    with pytest.raises(
        ConfigError, match=r"begun with lr = 0\.001 .* change it to 0\.5; leave --lr"
    ):
        train.main(["--run-name", "a", "--resume", "--lr", "0.5"])
    assert train.main(["--run-name", "a", "--resume", "--lr", "0.001", "--threads", "1"]) == 0


def test_a_run_is_not_resumed_on_another_text(home, capsys):
    begin("a", "--steps", "5", "--stop-at", "2")
    (home / "text.txt").write_text("the cat sat on another mat\n" * 60, encoding="utf-8")
    with pytest.raises(DataError, match="has changed since this run began"):
        train.main(["--run-name", "a", "--resume"])


def test_a_run_is_not_overwritten_and_what_is_not_there_is_not_resumed(home, capsys):
    begin("a", "--steps", "1")
    with pytest.raises(ConfigError, match="already a run in checkpoints/a; add --resume"):
        begin("a", "--steps", "1")
    with pytest.raises(CheckpointError, match=r"there is no checkpoints/b/latest\.h5 to resume"):
        train.main(["--run-name", "b", "--resume"])
    (home / "checkpoints" / "c").write_text("a file")
    with pytest.raises(ConfigError, match="is a file"):
        begin("c", "--steps", "1")


def test_a_text_shorter_than_the_block_is_refused(home):
    (home / "short.txt").write_text("too short, this", encoding="utf-8")
    with pytest.raises(DataError, match="block_size"):
        train.main(["--data", "short.txt", "--run-name", "a", "--block-size", "64"])
    assert not (home / "checkpoints").exists()


def test_held_out_text_can_be_a_file_of_its_own(home, capsys):
    (home / "held.txt").write_text("the dog sat\n", encoding="utf-8")
    begin("a", "--steps", "2", "--val-file", "held.txt", "--tokenizer", "char")
    data = load_checkpoint("checkpoints/a/latest.h5").state["data"]
    assert data["val_tokens"] == 12
    assert data["train_tokens"] == len((home / "text.txt").read_text())


def test_byte_pairs_are_the_default_and_learnt_from_the_training_text_alone(home, capsys):
    seen = "the cat sat on the mat\n" * 90
    (home / "text.txt").write_text(seen + "quux " * 40 + "\n", encoding="utf-8")
    begin("a", "--steps", "1", "--vocab-size", "270")
    tokenizer = load_checkpoint("checkpoints/a/latest.h5").tokenizer
    assert tokenizer.to_json() == make_tokenizer("bpe", seen, 270).to_json()
    (home / "held.txt").write_text("quux " * 40, encoding="utf-8")
    (home / "text.txt").write_text(seen, encoding="utf-8")
    begin("b", "--steps", "1", "--vocab-size", "270", "--val-file", "held.txt")
    again = load_checkpoint("checkpoints/b/latest.h5").tokenizer
    assert again.to_json() == tokenizer.to_json()


@pytest.mark.parametrize(
    ("text", "train_end", "val_start"),
    [
        ("ab cd\n" * 20, b"cd\n", b"ab"),  # the text goes on: no end-of-text at the cut
        ("ab cd\n<|endoftext|>\n" * 20, b"", b"ab"),
        ("ab cd\n" * 18 + "<|endoftext|>\n" + "x\n" * 6, b"", b"x"),
    ],
)
def test_a_text_for_byte_pairs_is_held_out_from_a_line_end_on(home, text, train_end, val_start):
    (home / "text.txt").write_text(text, encoding="utf-8")
    config = TrainConfig(data="text.txt", vocab_size=260, block_size=4)
    prepared = prepare_text(config)
    tokenizer = prepared.tokenizer
    assert b"".join(tokenizer.token_bytes(int(id)) for id in prepared.train).endswith(train_end)
    assert (prepared.train[-1] == tokenizer.eot_id) == (train_end == b"")
    assert tokenizer.decode(prepared.val).encode().startswith(val_start)
    assert prepared.val[-1] == tokenizer.eot_id
    assert prepare_text(config, tokenizer).sha256 == prepared.sha256
    whole = tokenizer.decode([*prepared.train, *prepared.val])
    assert whole == text.replace("<|endoftext|>\n", "")


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(home, capsys):
    begin("a", "--steps", "9", "--stop-at", "3")
    good = (home / "checkpoints/a/latest.h5").read_bytes()
    with resume_run(Path("checkpoints/a"), {}) as run:
        run.model.flat[:] = 1e30
        progress = Progress(sys.stderr, steps=9)
        with pytest.raises(TinyGPTError, match="lower --lr"):
            run.train(progress)
    assert (home / "checkpoints/a/latest.h5").read_bytes() == good


def test_ctrl_c_finishes_the_step_saves_and_says_how_to_go_on(home):
    words = ["--data", "text.txt", "--run-name", "a", *MODEL, "--steps", "1000000"]
    with started_process(*words, "--eval-every", "1000000") as process:
        wait_for(home / "checkpoints/a/log.jsonl")
        process.send_signal(signal.SIGINT)
        _, shown = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "--run-name a --resume" in shown
    state = load_checkpoint("checkpoints/a/latest.h5", optimizer=True).state
    assert state["step"] == losses("a")[-1][0]
    assert state["steps"] == 1000000


SLOW = ["--n-layer", "4", "--n-embd", "128", "--block-size", "64", "--batch-size", "256"]
STOPPING = "stopping after this step, then saving; Ctrl-C"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_answered_at_once_and_ctrl_c_then_says_what_is_kept(home, number):
    words = ["--data", "text.txt", "--run-name", "a", *MODEL, *SLOW, "--steps", "1000000"]
    with started_process(*words, "--eval-every", "1000000") as process:
        assert process.stderr.readline().startswith("training:")
        wait_for(home / "checkpoints/a/log.jsonl")
        assert process.stderr.readline().startswith("step 1/")
        process.send_signal(number)
        line = process.stderr.readline()
        while line.startswith("step "):
            line = process.stderr.readline()
        again = " again" if number == signal.SIGINT else ""
        assert line == f"{STOPPING}{again} stops at once, unsaved\n"
        process.send_signal(signal.SIGINT)
        _, shown = process.communicate(timeout=30)
    assert process.returncode == 130
    if "stopped at once" in shown:  # on an idle machine the step may have ended before
        assert (
            shown == "stopped at once, unsaved; nothing was kept in checkpoints/a to go on from\n"
        )


def test_what_is_kept_after_a_second_ctrl_c_is_named_with_its_step(home, monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    begin("a", "--steps", "9", "--stop-at", "4")
    monkeypatch.setattr(Run, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        train.main(["--run-name", "a", "--resume"])
    assert capsys.readouterr().err.endswith(
        "stopped at once, unsaved; kept: checkpoints/a/latest.h5 of step 4; go on with: python -m "
        "tinygpt.train --run-name a --resume\n"
    )


@pytest.mark.parametrize(("threads", "said"), [("1", 1), ("2", 0)])
def test_resuming_with_other_threads_says_that_the_bits_change(home, capsys, threads, said):
    begin("a", "--steps", "3", "--stop-at", "1")
    assert train.main(["--run-name", "a", "--resume", "--threads", threads]) == 0
    note = (
        "this run was begun with 2 threads and goes on with 1: the same to rounding, not bit for "
        "bit; --threads 2 keeps the bits\n"
    )
    assert capsys.readouterr().err.count(note) == said


def test_a_second_process_is_kept_out_until_the_first_is_killed(home):
    words = ["--data", "text.txt", "--run-name", "a", *MODEL, "--steps", "1000000"]
    with started_process(*words):
        wait_for(home / "checkpoints/a/latest.h5")
        second = run_process("--run-name", "a", "--resume")
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert second.stderr.startswith("error: another process is training the run in checkpoints/a;")
    end = load_checkpoint("checkpoints/a/latest.h5").state["step"] + 1
    third = run_process("--run-name", "a", "--resume", "--stop-at", str(end))
    assert third.returncode == 0, third.stderr
    assert [entry[0] for entry in losses("a")] == list(range(1, end + 1))


def test_files_of_a_run_that_was_killed_early_are_not_mixed_with_a_new_one(home, capsys):
    begin("a", "--steps", "4", "--save-every", "2")
    folder = home / "checkpoints" / "a"
    log = (folder / "log.jsonl").read_bytes()
    for name in ("latest", "best", "final"):
        (folder / f"{name}.h5").unlink()
    for again in (("--resume",), ("--data", "text.txt", "--steps", "1")):
        with pytest.raises(ConfigError, match=r"has step0000004\.h5 .* copy that file to latest"):
            train.main(["--run-name", "a", *again])
    assert (folder / "log.jsonl").read_bytes() == log
    (folder / "step0000002.h5").rename(folder / "latest.h5")
    assert train.main(["--run-name", "a", "--resume"]) == 0


def test_a_best_file_alone_is_begun_from_and_not_resumed(home, capsys):
    begin("a", "--steps", "5")
    for path in (home / "checkpoints/a").glob("[!b]*.h5"):
        path.unlink()
    for again in (["--resume"], ["--data", "text.txt", "--steps", "1"]):
        with pytest.raises(ConfigError, match=r"best\.h5 of an earlier run and nothing") as refused:
            train.main(["--run-name", "a", *again])
        assert "latest.h5" not in str(refused.value)
    _, advice = str(refused.value).split("add --init-from ")
    words = ["--data", "text.txt", "--run-name", "b", "--init-from", advice, "--steps", "1"]
    assert train.main(words) == 0


def test_a_lock_that_is_no_file_is_refused(home):
    (home / "checkpoints" / "a").mkdir(parents=True)
    os.mkfifo(home / "checkpoints" / "a" / ".lock")
    with pytest.raises(ConfigError, match=r"\.lock is not a file; remove it"):
        begin("a", "--steps", "1")


def test_a_run_that_another_process_trains_is_neither_started_nor_resumed(home, capsys):
    folder = home / "checkpoints/a"
    folder.mkdir(parents=True)
    with locked(folder / ".lock"), pytest.raises(ConfigError, match="stop it with Ctrl-C"):
        begin("a", "--steps", "2")
    assert [path.name for path in folder.iterdir()] == [".lock"]
    begin("a", "--steps", "2", "--stop-at", "1")
    with locked(folder / ".lock"), pytest.raises(ConfigError, match="stop it with Ctrl-C"):
        train.main(["--run-name", "a", "--resume"])
    assert train.main(["--run-name", "a", "--resume"]) == 0


def test_a_run_that_was_trained_while_this_one_read_the_text_is_kept(home, monkeypatch):
    def text_of(config, beginning):
        with monkeypatch.context() as other:
            other.setattr(run_start, "text_of", fine_tuning.text_of)
            begin("a", "--steps", "1")
        return fine_tuning.text_of(config, beginning)

    monkeypatch.setattr(run_start, "text_of", text_of)
    with pytest.raises(ConfigError, match="already a run in checkpoints/a"):
        begin("a", "--steps", "2")
    assert len(losses("a")) == 1


def test_a_run_that_nobody_watches_any_more_goes_on_to_its_end(home):
    read_end, write_end = os.pipe()
    os.close(read_end)  # as `2>&1 | head` leaves it
    words = ["--data", "text.txt", "--run-name", "a", *MODEL, "--steps", "6"]
    subprocess.run([*COMMAND, *words], stderr=write_end, env=ENVIRONMENT, timeout=60)
    os.close(write_end)
    assert load_checkpoint("checkpoints/a/final.h5").state["step"] == 6


def test_dry_run_and_explain_speak_of_this_run_and_write_nothing(home, capsys):
    begin("a", "--tokenizer", "bytes", "--dry-run")
    numbers = capsys.readouterr().out
    # wte + wpe + a block (12 C^2 + 13 C) + the last LayerNorm
    parameters = 257 * 8 + 8 * 8 + 12 * 64 + 13 * 8 + 2 * 8
    assert re.search(rf"^parameters: +{parameters:,}$", numbers, re.M)
    for word in ("memory:", "FLOPs per step:", "time:", "at the peak of a step"):
        assert word in numbers
    begin("a", "--tokenizer", "bytes", "--explain")
    words = capsys.readouterr().out
    assert "5.55 = ln 257" in words
    begin("a", "--tokenizer", "bytes", "--explain", "--sample-every", "5")
    assert "letters, words, sentences." in capsys.readouterr().out
    assert max(map(len, words.splitlines())) <= 88
    assert not (home / "checkpoints").exists()


def test_a_run_of_tales_shows_how_far_above_the_floor_it_is(home, capsys):
    (home / "tales.txt").write_text(tales_corpus(12, seed=1), encoding="utf-8")
    words = ("--data", "tales.txt", "--windows", "documents", "--tokenizer", "bytes")
    begin("a", *words, "--steps", "5", "--sample-every", "5")
    log = read_log("checkpoints/a/log.jsonl")
    floor = log[-1]["floor"]
    assert 0.05 < floor < 0.15  # nats per byte
    above = f"{log[-1]['val_loss'] / floor - 1:.1%} above the floor"
    assert above in capsys.readouterr().err
    state = load_checkpoint("checkpoints/a/latest.h5").state
    assert state["data"]["floor"] == floor
    assert begin("a", *words, "--sample-every", "5", "--resume", "--steps", "6") == 0


def test_without_matplotlib_one_sentence_says_what_to_install(home, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    (tmp_path / "log.jsonl").write_text("")
    with pytest.raises(BackendError, match=r"pip install 'tinygpt\[plot\]'"):
        plot_losses(tmp_path / "log.jsonl", tmp_path / "loss.png")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--run-name", "a/b"], 1, "the run's name is 'a/b'"),
        (["--data", "nowhere.txt"], 1, "nowhere.txt"),
        (["--config", "nowhere.toml"], 1, "cannot read the settings file nowhere.toml"),
        (["--preset", "nothing"], 1, "there is no preset 'nothing'"),
        (["--n-layer", "many"], 2, "argument --n-layer: invalid int value"),
        (["--n-layer", "0"], 1, "n_layer is 0"),
        (
            ["--data", "text.txt", "--threads", "1025"],
            1,
            "threads is too large; it must be at most 1,024",
        ),
        (["--tokenizer", "word", "--data", "text.txt"], 1, "there is no tokenizer 'word'"),
        (["--stop-at", "0"], 2, "--stop-at is 0"),
        (["--resume", "--explain"], 2, "leave out --dry-run"),
    ],
)
def test_a_wrong_command_gets_one_sentence(home, monkeypatch, capsys, words, code, message):
    from tinygpt.commands import run

    monkeypatch.setattr(sys, "argv", ["train", *words])
    with pytest.raises(SystemExit) as exit:
        run(train.main)
    shown = capsys.readouterr().err
    assert exit.value.code == code
    assert message in shown
    assert "Traceback" not in shown
    assert not (home / "checkpoints").exists()


def test_help_answers_before_numpy_is_loaded(home):
    answer = run_process("--help")
    assert answer.returncode == 0
    assert "--no-recompute" in answer.stdout
    assert "shakespeare-char-cpu" in answer.stdout
    assert "the last 10 % of the data" in answer.stdout
    code = "import sys, tinygpt.train; tinygpt.train.build_parser(); print('numpy' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert loaded.stdout == "False\n"


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"[]", b"null", b'{"step": "x"}', b"[" * 10000])
def test_a_damaged_log_is_read_up_to_the_damage(tmp_path, damage):
    entry = {"step": 1, "loss": 2.0, "val_loss": None}
    path = tmp_path / "log.jsonl"
    path.write_bytes(json.dumps(entry).encode() + b"\n" + damage + b"\n")
    assert read_log(path) == [entry]
