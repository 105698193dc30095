"""Multiple choice: the log-probability of an ending, and files of questions."""

import json
import math

import numpy as np
import pytest

from tinygpt.choices import Question, ending_log_probs, read_questions, score
from tinygpt.config import ModelConfig
from tinygpt.errors import DataError, VocabularyError
from tinygpt.model import GPT
from tinygpt.tokenizers import make_tokenizer

CHARS = make_tokenizer("char", "abcd")
BPE = make_tokenizer("bpe", "abc\n" * 20 + "abd\n" * 20, 260)


def order_one(tokenizer, block_size=8):
    config = ModelConfig(tokenizer.vocab_size, block_size, 1, 2, 8)
    model = GPT(config, seed=1, dtype=np.float64)
    model.flat *= 20
    return model


def ending_log_prob(model, tokenizer, context, ending):
    (result,) = ending_log_probs(model, tokenizer, context, [ending])
    return result


def by_hand(model, ids, first):
    """Token after token, each from all that come before it."""
    total = 0.0
    for i in range(first, len(ids)):
        logits = model.forward(np.array([ids[:i]]))[0][0, -1]
        total += logits[ids[i]] - math.log(np.exp(logits).sum())
    return total


def test_the_log_probability_of_an_ending_is_the_sum_over_its_tokens():
    model = order_one(CHARS)
    ids = CHARS.encode("abcad")
    assert ending_log_prob(model, CHARS, "abc", "ad") == pytest.approx(by_hand(model, ids, 3))


def test_the_probabilities_of_all_endings_of_one_token_sum_to_one():
    model = order_one(CHARS)
    assert sum(math.exp(ending_log_prob(model, CHARS, "ab", c)) for c in "abcd") == pytest.approx(1)


def test_a_token_across_the_boundary_counts_to_the_ending():
    model = order_one(BPE)
    whole = BPE.encode("abc")
    assert whole != [*BPE.encode("ab"), *BPE.encode("c")]
    expected = by_hand(model, [BPE.eot_id, *whole], 1)
    assert ending_log_prob(model, BPE, "ab", "c") == pytest.approx(expected)


def test_all_endings_of_a_question_are_scored_from_the_same_place():
    model = order_one(BPE)
    merged, apart = BPE.encode("abc"), BPE.encode("aba")
    assert len(merged) == 1 and len(apart) == 2 and apart[0] != merged[0]
    both = ending_log_probs(model, BPE, "ab", ["c", "a"])
    # "ab" is a token of its own before "a", and that is scored too
    by_token = [by_hand(model, [BPE.eot_id, *ids], 1) for ids in (merged, apart)]
    assert both == pytest.approx(by_token)
    assert both[1] != pytest.approx(ending_log_prob(model, BPE, "ab", "a"))


def test_without_a_context_the_ending_follows_an_end_of_text_where_there_is_one():
    model = order_one(BPE)
    ids = [BPE.eot_id, *BPE.encode("abd")]
    assert ending_log_prob(model, BPE, "", "abd") == pytest.approx(by_hand(model, ids, 1))
    model = order_one(CHARS)  # no end-of-text: the first character cannot be predicted
    expected = by_hand(model, CHARS.encode("abd"), 1)
    assert ending_log_prob(model, CHARS, "", "abd") == pytest.approx(expected)


def test_a_long_text_is_read_by_its_end():
    model = order_one(CHARS, block_size=4)
    ids = CHARS.encode("abcdabcd")[-5:]
    expected = ending_log_prob(model, CHARS, "abcdabc", "d")
    assert expected == pytest.approx(by_hand(model, ids, 4))
    for context, ending in (("a", "bcdab"), ("", "a")):
        with pytest.raises(DataError, match=f"has {len(ending) - (not context)} tokens to predict"):
            ending_log_prob(model, CHARS, context, ending)


def test_scores_count_right_answers_in_both_ways_and_chance():
    model = order_one(CHARS)
    best = max("abcd", key=lambda c: ending_log_prob(model, CHARS, "ab", c))
    other = "a" if best != "a" else "b"
    long = best + "abcabc"  # less likely than its first letter alone, and perhaps not per byte
    questions = [
        Question("ab", [best, other], 0),
        Question("ab", [best, other], 1),
        Question("ab", [long, best], 1),
        Question("ab", ["a", "b", "c", "d"], "abcd".index(best)),
    ]
    result = score(model, CHARS, questions)
    assert (result.accuracy, result.questions) == (0.75, 4)
    assert result.chance == pytest.approx((0.5 + 0.5 + 0.5 + 0.25) / 4)
    by_byte = ending_log_prob(model, CHARS, "ab", long) / 7
    whole = ending_log_prob(model, CHARS, "ab", best)
    assert result.accuracy_per_byte == (0.75 if whole > by_byte else 0.5)


def test_questions_are_read_line_by_line(tmp_path):
    path = tmp_path / "q.jsonl"
    one = {"context": "ab", "choices": ["c", "d"], "answer": 1}
    path.write_text(json.dumps(one) + "\n\n" + json.dumps(one | {"context": ""}) + "\n")
    assert read_questions(path) == [Question("ab", ["c", "d"], 1), Question("", ["c", "d"], 1)]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("no JSON", "line 1 is no question"),
        ("[1]", "is no question"),
        ('{"context": "a", "choices": ["b", "c"]}', "is no question"),
        ('{"context": 1, "choices": ["b", "c"], "answer": 0}', "must be a context"),
        ('{"context": "a", "choices": ["b"], "answer": 0}', "two choices"),
        ('{"context": "a", "choices": ["b", ""], "answer": 0}', "two choices"),
        ('{"context": "a", "choices": ["b", 3], "answer": 0}', "two choices"),
        ('{"context": "a", "choices": ["b", "c"], "answer": 2}', "from 0 to 1"),
        ('{"context": "a", "choices": ["b", "c"], "answer": -1}', "from 0 to 1"),
        ('{"context": "a", "choices": ["b", "c"], "answer": true}', "from 0 to 1"),
    ],
)
def test_what_is_no_question_gets_one_sentence(tmp_path, line, complaint):
    path = tmp_path / "q.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError, match=complaint):
        read_questions(path)


def test_no_questions_are_no_score(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text("\n\n")
    with pytest.raises(DataError, match="no questions"):
        score(order_one(CHARS), CHARS, read_questions(path))


@pytest.mark.parametrize(
    ("context", "ending", "error", "complaint"),
    [
        ("ab", "abcdabcda", DataError, "the ending 'abcdabcda' has 9 tokens to predict"),
        ("", "a", DataError, "the ending 'a' has 0 tokens to predict"),
        ("ab", "x", VocabularyError, "'x'"),
        ("x", "a", VocabularyError, "'x'"),
    ],
)
def test_a_question_that_cannot_be_scored_is_named_by_its_line(
    tmp_path, context, ending, error, complaint
):
    path = tmp_path / "q.jsonl"
    good = {"context": "ab", "choices": ["c", "d"], "answer": 1}
    bad = {"context": context, "choices": ["bc", ending], "answer": 0}
    path.write_text("\n".join([json.dumps(good), "", json.dumps(bad), json.dumps(good)]))
    with pytest.raises(error, match=complaint) as caught:
        score(order_one(CHARS), CHARS, read_questions(path))
    assert str(caught.value).startswith(f"{path}, line 3: ")
