"""Loss over held-out text: every token once, weighted by tokens; the evaluate command."""

import json
import math

import numpy as np
import pytest

from tinygpt import evaluate, tales, train
from tinygpt.checkpoint import load_model
from tinygpt.checkpoint.__main__ import main as slim
from tinygpt.choices import ending_log_probs
from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError, ConfigError, DataError, TinyGPTError
from tinygpt.evaluation import Evaluation, count_tales, evaluate_loss, text_bytes
from tinygpt.model import GPT
from tinygpt.threads import WorkerPool
from tinygpt.tokenizers import make_tokenizer

CONFIG = ModelConfig(vocab_size=11, block_size=4, n_layer=1, n_head=1, n_embd=4)


def by_hand(model, ids, T):
    """The oracle: one window after another, one target after another."""
    total = 0.0
    for start in range(0, len(ids) - 1, T):
        x = ids[start : start + T + 1].astype(np.int64)
        logits = model.forward(x[None, :-1])[0][0]
        for row, target in zip(logits, x[1:], strict=True):
            total += math.log(sum(math.exp(v) for v in row)) - row[target]
    return total / (len(ids) - 1)


@pytest.mark.parametrize("n", [2, 4, 5, 8, 9, 23])
def test_every_token_but_the_first_is_predicted_once(n):
    model = GPT(CONFIG, seed=1, dtype=np.float64)
    model.flat *= 20
    ids = np.random.default_rng(2).integers(0, 11, n).astype(np.uint16)
    measured = evaluate_loss(model, [ids], context=4, batch=2)
    assert measured.tokens == n - 1
    assert measured.loss == pytest.approx(by_hand(model, ids, 4), rel=1e-12)


def one_by_one(model, ids, context, stride):
    """The oracle: for every target the window in which it first comes."""
    total = 0.0
    for target in range(1, len(ids)):
        begin = 0 if target <= context else -(-(target - context) // stride) * stride
        logits = model.forward(ids[None, begin:target])[0][0, -1]
        total += math.log(sum(math.exp(v) for v in logits)) - logits[ids[target]]
    return total / (len(ids) - 1)


@pytest.mark.parametrize("context", [1, 3, 4])
@pytest.mark.parametrize("n", [2, 4, 5, 11])
def test_with_a_stride_every_token_is_predicted_once_from_enough_context(context, n):
    model = GPT(CONFIG, seed=1, dtype=np.float64)
    model.flat *= 20
    ids = np.random.default_rng(n).integers(0, 11, n)
    for stride in range(1, context + 1):
        measured = evaluate_loss(model, [ids], context=context, stride=stride, batch=2)
        assert measured.tokens == n - 1
        assert measured.loss == pytest.approx(one_by_one(model, ids, context, stride), rel=1e-12)


def test_texts_are_read_alone_and_every_token_weighs_the_same():
    model = GPT(CONFIG, seed=1, dtype=np.float64)
    model.flat *= 20
    texts = [np.random.default_rng(n).integers(0, 11, n) for n in (3, 9, 3, 1, 4)]
    told = []
    measured = evaluate_loss(model, texts, context=4, done=told.append)
    alone = [evaluate_loss(model, [ids], context=4) for ids in texts if len(ids) > 1]
    assert measured.tokens == sum(told) == 2 + 8 + 2 + 3
    total = math.fsum(part.loss * part.tokens for part in alone)
    assert measured.loss == pytest.approx(total / measured.tokens, rel=1e-13)


@pytest.mark.parametrize(("context", "stride"), [(0, None), (4, 0), (4, 5), (-1, 1)])
def test_a_context_or_stride_that_cannot_be_is_refused(context, stride):
    with pytest.raises(ConfigError, match="choose a context"):
        evaluate_loss(GPT(CONFIG), [np.arange(9)], context=context, stride=stride)


class Reciter(GPT):
    """A model that tells its texts by heart, one after the other."""

    def __init__(self, texts, block_size=1500):
        self.tokenizer = make_tokenizer("bytes", "")
        super().__init__(ModelConfig(257, block_size, 1, 1, 2), seed=0)
        self.rows = [[256, *self.tokenizer.encode(text), 256] for text in texts]
        self.told = -1

    def forward(self, ids, *, kv=None, last=None, **_):
        assert ids.shape == (1, 1)
        self.told += kv.lengths[0] == 0
        kv.lengths += 1
        logits = np.zeros((1, 1, 257))
        logits[0, 0, self.rows[self.told][kv.lengths[0]]] = 1000.0
        return logits, None


def test_only_whole_tales_that_end_by_themselves_are_counted():
    tale = tales.generate(np.random.default_rng(3))
    other = tales.generate(np.random.default_rng(4))
    broken = tale.replace(" the ", " teh ", 1)
    endless = tale + " " + other + " " + tale
    model = Reciter([tale, broken, other + "\n", endless, tale + "\n\n"])
    seen = []
    found = count_tales(
        model, model.tokenizer, 5, seed=1, batch_size=1, done=lambda: seen.append(model.told)
    )
    assert (found, seen) == (2, [-1, 0, 1, 2, 3])


def test_a_tale_that_only_the_windows_end_has_ended_is_not_counted():
    tale = tales.generate(np.random.default_rng(3))
    for block_size, found in ((len(tale), 0), (len(tale) + 1, 1)):
        model = Reciter([tale], block_size)
        assert count_tales(model, model.tokenizer, 1, seed=1, batch_size=1) == found


def test_threads_and_batches_do_not_change_the_loss():
    model = GPT(CONFIG, seed=1, dtype=np.float64)
    ids = np.random.default_rng(2).integers(0, 11, 50)
    alone = evaluate_loss(model, [ids], context=4).loss
    with WorkerPool(2) as pool:
        assert evaluate_loss(model, [ids], context=4, batch=3, pool=pool).loss == pytest.approx(
            alone, rel=1e-13
        )


def test_one_token_is_refused():
    with pytest.raises(DataError, match="at least 2"):
        evaluate_loss(GPT(CONFIG), [np.array([1])], context=4)


def test_perplexity_is_the_number_of_equal_choices():
    assert Evaluation(math.log(7), 3).perplexity == pytest.approx(7)


def test_the_bytes_of_a_text_do_not_count_end_of_text():
    tokenizer = make_tokenizer("char", "aé")
    assert text_bytes(np.array(tokenizer.encode("éaé")), tokenizer) == 5
    tokenizer = make_tokenizer("bytes", "")
    assert text_bytes(np.array([97, tokenizer.eot_id, 98]), tokenizer) == 2


@pytest.fixture
def home(tmp_path, monkeypatch, capsys, signals_given_back):
    (tmp_path / "text.txt").write_text("the cat sat on the mat\n" * 30, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    train.main(
        [
            "--data",
            "text.txt",
            "--run-name",
            "a",
            "--n-layer",
            "1",
            "--tokenizer",
            "bytes",
            "--n-head",
            "1",
            "--n-embd",
            "8",
            "--block-size",
            "8",
            "--steps",
            "4",
            "--save-every",
            "2",
            "--threads",
            "1",
            "--sample-every",
            "0",
        ]
    )
    capsys.readouterr()
    return tmp_path


def measured(capsys, *words):
    evaluate.main([*words, "--json", "--threads", "1"])
    return json.loads(capsys.readouterr().out)


def test_evaluate_gives_the_validation_loss_that_training_logged(home, capsys):
    log = (home / "checkpoints/a/log.jsonl").read_text().splitlines()
    result = measured(capsys, "--run-name", "a")
    assert result["loss"] == pytest.approx(json.loads(log[-1])["val_loss"], rel=1e-6)
    assert result["perplexity"] == pytest.approx(math.exp(result["loss"]))
    assert result == measured(capsys, "--checkpoint", "a/final") | {
        "checkpoint": "checkpoints/a/latest.h5"
    }
    assert result["loss"] < measured(capsys, "--run-name", "a", "--step", "2")["loss"]


def test_the_parts_of_a_text_can_be_named(home, capsys):
    everything = measured(capsys, "--run-name", "a", "--data", "text.txt")
    parts = [
        measured(capsys, "--run-name", "a", "--data", "text.txt", "--part", part)["tokens"]
        for part in ("train", "val", "all")
    ]
    assert everything["tokens"] == parts[2] == sum(parts[:2]) + 1
    # the last target is end-of-text, which is a token and no byte
    n_bytes = (home / "text.txt").stat().st_size - 1
    bits = everything["loss"] * everything["tokens"] / math.log(2)
    assert everything["bits_per_byte"] == pytest.approx(bits / n_bytes)


def test_evaluate_prints_a_line_for_each_number(home, capsys):
    evaluate.main(["--run-name", "a"])
    names = [line[:17].strip() for line in capsys.readouterr().out.splitlines()]
    assert names == [
        "loss", "perplexity", "bits per byte", "tokens", "context", "stride", "checkpoint"
    ]  # fmt: skip


def test_tales_are_measured_story_by_story_beside_their_floor(home, capsys):
    words = ("--run-name", "a", "--data", "tales", "--stories", "3", "--samples", "2")
    result = measured(capsys, *words)
    rng = np.random.default_rng(2)
    stories = [tales.generate_with_log_prob(rng) for _ in range(3)]
    tokens = sum(len(story) + 2 for story, _ in stories)  # a line end and an end-of-text
    assert (result["documents"], result["tokens"]) == (3, tokens)
    assert result["floor"] == pytest.approx(-sum(p for _, p in stories) / tokens)
    assert result["above_floor"] == pytest.approx(result["loss"] / result["floor"] - 1)
    assert (result["samples"], result["tales"]) == (2, 0.0)
    short = measured(capsys, *words, "--context", "4")
    assert short["tokens"] == tokens and short["loss"] != result["loss"]
    assert short == measured(capsys, *words, "--context", "4", "--stride", "1")
    assert measured(capsys, *words, "--seed", "3")["floor"] != result["floor"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--context", "9"], "reads at most 8 tokens"),
        (["--context", "0"], "choose a context"),
        (["--stride", "0"], "choose a context"),
        (["--context", "4", "--stride", "5"], "choose a context"),
        (["--samples", "-1"], "--samples is -1"),
        (["--threads", "-7"], "--threads is -7"),
        (["--threads", "1025"], "--threads is too large; give at most 1,024"),
        (["--data", "tales", "--stories", "0"], "at least one story"),
        (["--data", "tales", "--part", "val"], "has no parts"),
        (["--data", "text.txt", "--stories", "3"], "goes with --data tales"),
    ],
)
def test_evaluate_refuses_what_cannot_be_measured(home, words, complaint):
    with pytest.raises(TinyGPTError, match=complaint):
        evaluate.main(["--run-name", "a", "--threads", "1", *words])


def test_evaluate_answers_questions(home, capsys):
    one = {"context": "the cat sat on the ", "choices": ["mat", "xyz"]}
    lines = [one | {"answer": answer} for answer in (0, 0, 1)]
    (home / "q.jsonl").write_text("\n".join(map(json.dumps, lines)))
    result = measured(capsys, "--run-name", "a", "--choices", "q.jsonl")
    assert (result["questions"], result["chance"]) == (3, 0.5)
    model, tokenizer = load_model("checkpoints/a")
    mat, xyz = ending_log_probs(model, tokenizer, one["context"], one["choices"])
    assert result["accuracy"] == pytest.approx(2 / 3 if mat > xyz else 1 / 3)
    with pytest.raises(DataError):
        evaluate.main(["--run-name", "a", "--choices", "nowhere.jsonl"])


def test_evaluate_measures_what_int8_weights_cost(home, capsys):
    floats = measured(capsys, "--run-name", "a")
    small = measured(capsys, "--run-name", "a", "--dtype", "int8")
    assert small["loss"] != floats["loss"]
    assert small["loss"] == pytest.approx(floats["loss"], rel=1e-3)
    slim(["slim", "checkpoints/a", "small.h5", "--dtype", "int8"])
    capsys.readouterr()
    from_file = measured(capsys, "--checkpoint", "small.h5", "--dtype", "int8")
    assert from_file == small | {"checkpoint": "small.h5"}
    expanded = measured(capsys, "--checkpoint", "small.h5")
    assert expanded["loss"] == pytest.approx(small["loss"], rel=1e-6)


def test_evaluate_computes_in_the_precision_that_is_asked_for(home, capsys):
    floats = measured(capsys, "--run-name", "a")
    doubles = measured(capsys, "--run-name", "a", "--dtype", "float64")
    assert doubles["loss"] == pytest.approx(floats["loss"], rel=1e-6)
    assert doubles["loss"] != floats["loss"]
    slim(["slim", "checkpoints/a", "double.h5", "--dtype", "float64"])
    capsys.readouterr()
    as_stored = measured(capsys, "--checkpoint", "double.h5")
    assert as_stored == doubles | {"checkpoint": "double.h5"}


def test_evaluate_refuses_what_is_not_there_and_a_text_that_changed(home):
    with pytest.raises(CheckpointError):
        evaluate.main(["--run-name", "b"])
    (home / "text.txt").write_text("another text, by and by\n" * 30, encoding="utf-8")
    with pytest.raises(DataError, match="is not the one"):
        evaluate.main(["--run-name", "a"])
