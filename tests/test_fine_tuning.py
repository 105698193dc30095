"""Fine-tuning: --init-from keeps weights, tokenizer and shape, and refuses what does not fit."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from runs import assert_same_end, run_process
from small_models import GOLDEN, order_one

from tinygpt import train
from tinygpt.checkpoint import load_checkpoint, load_model, save_checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.convert import from_gpt2
from tinygpt.convert.__main__ import main as convert
from tinygpt.errors import CheckpointError, ConfigError, VocabularyError
from tinygpt.evaluation import evaluate_loss
from tinygpt.fine_tuning import doubt, inherit, load_beginning, text_of
from tinygpt.params import named_views
from tinygpt.plot import read_log
from tinygpt.tokenizers import BPETokenizer, CharTokenizer

TEXT = "the cat sat on the mat and the dog sat on the cat\n" * 40
LOOP = [
    "--batch-size", "4", "--steps", "6", "--warmup", "1", "--log-every", "1", "--eval-every", "3",
    "--sample-every", "0", "--threads", "1", "--lr", "1e-3",
]  # fmt: skip


@pytest.fixture
def home(tmp_path, monkeypatch, signals_given_back):
    """A folder with a text and a converted GPT-2, as the current one."""
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    from_gpt2(GOLDEN / "gpt2" / "plain", tmp_path / "gpt2.h5")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save_char_model(path, characters="\n acdehmnostu", block_size=16):
    config = ModelConfig(
        vocab_size=len(characters), block_size=block_size, n_layer=1, n_head=2, n_embd=8
    )
    save_checkpoint(
        path,
        config=config,
        flat=order_one(config, dtype=np.float32).flat,
        tokenizer=CharTokenizer(characters),
        state={},
    )


def begin(name, *more, init="gpt2.h5"):
    return train.main(["--data", "text.txt", "--init-from", init, "--run-name", name, *LOOP, *more])


def test_the_run_begins_with_the_weights_and_keeps_shape_and_tokenizer(home, capsys):
    begin("a", "--lr", "1e-12", "--min-lr", "0", "--weight-decay", "0")
    assert capsys.readouterr().err.startswith("fine-tuning gpt2.h5: 8,")
    before, after = load_checkpoint("gpt2.h5"), load_checkpoint("checkpoints/a/final.h5")
    np.testing.assert_allclose(after.flat, before.flat, rtol=0, atol=1e-9)
    assert after.config == before.config
    assert after.tokenizer.to_json() == before.tokenizer.to_json()
    model, _ = load_model("gpt2.h5")
    text = text_of(after_config := TrainConfig(**after.state["train_config"]), after)
    expected = evaluate_loss(model, text.held_out(), context=after_config.block_size).loss
    assert read_log("checkpoints/a/log.jsonl")[-1]["val_loss"] == pytest.approx(expected, rel=1e-5)


def test_it_learns_the_new_text(home, capsys):
    begin("a", "--steps", "40", "--lr", "0.01")
    losses = [entry["loss"] for entry in read_log("checkpoints/a/log.jsonl")]
    assert losses[-1] < losses[0] - 1


def test_a_resumed_fine_tuning_needs_nothing_from_the_first_checkpoint(home, capsys):
    begin("straight")
    begin("parts", "--stop-at", "3")
    (home / "gpt2.h5").unlink()
    assert train.main(["--run-name", "parts", "--resume"]) == 0
    assert_same_end("straight", "parts")


def test_a_run_can_go_on_from_an_earlier_run_of_ones_own(home, capsys):
    shape = ["--n-layer", "1", "--n-head", "2", "--n-embd", "8", "--block-size", "8"]
    words = ["--data", "text.txt", "--vocab-size", "270", *shape, *LOOP]
    train.main([*words, "--run-name", "first"])
    begin("second", init="checkpoints/first/best")
    first, second = (
        load_checkpoint(f"checkpoints/{name}/final.h5") for name in ("first", "second")
    )
    assert second.tokenizer.to_json() == first.tokenizer.to_json()
    assert second.state["train_config"]["vocab_size"] == first.tokenizer.vocab_size
    assert second.state["optimizer_t"] == 6  # AdamW begins anew


def test_config_toml_begins_the_same_run_again(home, capsys):
    begin("a")
    settings = tomllib.loads(Path("checkpoints/a/config.toml").read_text("utf-8"))
    assert (settings["init_from"], settings["n_layer"]) == ("gpt2.h5", 2)
    assert settings["tokenizer"] == "gpt2-like"
    train.main(["--config", "checkpoints/a/config.toml", "--run-name", "b"])
    np.testing.assert_array_equal(
        load_checkpoint("checkpoints/a/final.h5").flat,
        load_checkpoint("checkpoints/b/final.h5").flat,
    )


def test_a_shorter_context_leaves_out_the_last_positions_alone(home):
    config = TrainConfig(**inherit({"init_from": "gpt2.h5", "block_size": 10}))
    whole, cut = load_checkpoint("gpt2.h5"), load_beginning(config)
    assert cut.config.block_size == 10
    kept = named_views(cut.flat, cut.config)
    for path, array in named_views(whole.flat, whole.config).items():
        np.testing.assert_array_equal(kept[path], array[:10] if path == "wpe" else array)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--n-layer", "4"], r"n_layer is 4 and gpt2\.h5 has 2, which fine-tuning keeps; leave"),
        (["--n-head", "2"], "n_head is 2"),
        (["--n-embd", "24"], "n_embd is 24"),
        (
            ["--preset", "tiny"],
            "n_head is 2 and .* leave n_head out of flags, --config and --preset",
        ),
        (["--tokenizer", "char"], "tokenizer is 'char' and gpt2.h5 has 'gpt2-like'"),
        (["--block-size", "65"], "block_size is 65 and gpt2.h5 has learnt 64 positions"),
    ],
)
def test_another_shape_is_refused_before_anything_is_written(home, words, message):
    for more in ([], ["--explain"], ["--dry-run"]):
        with pytest.raises(ConfigError, match=message):
            begin("a", *words, *more)
    assert not (home / "checkpoints").exists()
    assert begin("a", "--n-layer", "2", "--stop-at", "1") == 0  # what is true may be said


def test_a_byte_pair_vocabulary_of_another_size_is_refused(home):
    config = ModelConfig(vocab_size=258, block_size=8, n_layer=1, n_head=1, n_embd=4)
    save_checkpoint(
        "own.h5",
        config=config,
        flat=order_one(config, dtype=np.float32).flat,
        tokenizer=BPETokenizer([(116, 104)]),
        state={},
    )
    with pytest.raises(ConfigError, match=r"vocab_size is 300 and own\.h5 has 258"):
        begin("a", "--vocab-size", "300", init="own.h5")


def test_characters_that_the_vocabulary_lacks_are_named(home):
    save_char_model("char.h5")
    with pytest.raises(
        VocabularyError, match=r"cannot learn 'text\.txt': .*'g' .40 times"
    ) as error:
        begin("a", init="char.h5")
    assert str(error.value).endswith("knows every character, without --init-from")
    assert not (home / "checkpoints").exists()
    save_char_model("char.h5", "\n acdeghmnostu")
    assert begin("a", init="char.h5") == 0


def test_a_text_in_small_pieces_is_doubted(home, capsys):
    (home / "text.txt").write_text("Всё хорошо, что хорошо кончается. " * 60, encoding="utf-8")
    begin("a")
    assert "beware: the vocabulary of gpt2.h5 hardly knows this text (1.2 bytes" in (
        capsys.readouterr().err
    )
    begin("b", "--explain")
    assert "Beware: the vocabulary of gpt2.h5 hardly" in " ".join(capsys.readouterr().out.split())
    config = TrainConfig(data="text.txt", vocab_size=300, block_size=8)
    assert doubt(config, text_of(config, None)) is None  # its own vocabulary


def test_explain_and_dry_run_speak_of_the_checkpoint_and_write_nothing(home, capsys):
    begin("a", "--explain")
    words = " ".join(capsys.readouterr().out.split())
    assert "they begin as gpt2.h5 has them, whose shape and tokenizer are kept" in words
    assert "At the first step what gpt2.h5 makes of this text" in words
    assert "a GPT of 2 blocks" in words and "The gpt2-like tokenizer" in words
    begin("a", "--dry-run")
    n = load_checkpoint("gpt2.h5").flat.size
    assert f"parameters:      {n:,}\n" in capsys.readouterr().out
    assert not (home / "checkpoints").exists()


def test_the_command_refuses_in_one_sentence_what_is_not_there(home):
    with pytest.raises(CheckpointError, match=r"there is no checkpoint nowhere\.h5"):
        begin("a", init="nowhere.h5")
    done = run_process("--init-from", "")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: ")


def test_weights_that_were_rounded_are_told_of_where_they_are_begun_from_or_given_away(
    home, capsys
):
    loaded = load_checkpoint("gpt2.h5")
    save_checkpoint(
        "q.h5",
        config=loaded.config,
        flat=loaded.flat,
        tokenizer=loaded.tokenizer,
        state={},
        dtype="int8",
    )
    note = "note: the weights of q.h5 were rounded to int8 and stay so\n"
    begin("a", init="q.h5")
    assert capsys.readouterr().err.count(note) == 1
    begin("b")
    assert "int8" not in capsys.readouterr().err
    convert(["to-gpt2", "q.h5", "folder"])
    assert capsys.readouterr().err == note
    convert(["to-gpt2", "gpt2.h5", "folder2"])
    assert capsys.readouterr().err == ""
