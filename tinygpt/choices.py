"""Multiple choice: of several endings of a text, does a model give the right one most probability?

A file of questions has one JSON object a line:

    {"context": "The sky is", "choices": [" blue", " made of cheese"], "answer": 0}
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinygpt.data.files import read_text
from tinygpt.errors import DataError, VocabularyError
from tinygpt.evaluation import finite_loss
from tinygpt.model import GPT
from tinygpt.tokenizers import Tokenizer

_FORM = '{"context": "…", "choices": ["…", "…"], "answer": 0}'


@dataclass(frozen=True)
class Question:
    """A text to go on from, its possible endings, and which of them (from 0) is right; `place` is
    the file and line that it was read from, for messages."""

    context: str
    choices: list[str]
    answer: int
    place: str = field(default="a question", compare=False)


@dataclass(frozen=True)
class Score:
    """Shares of right answers: by the ending's log-probability, by that per byte of the ending
    (so that long endings are not at a disadvantage), and what guessing would give."""

    accuracy: float
    accuracy_per_byte: float
    chance: float
    questions: int


def read_questions(path: Path) -> list[Question]:
    """Raises DataError, naming the line, for anything but questions."""
    lines = read_text(path).split("\n")
    return [_question(line, f"{path}, line {i}") for i, line in enumerate(lines, 1) if line.strip()]


def _question(line: str, where: str) -> Question:
    try:
        found: Any = json.loads(line)
        context, choices, answer = found["context"], found["choices"], found["answer"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise DataError(f"{where} is no question; write it as {_FORM}") from error
    texts = isinstance(context, str) and isinstance(choices, list) and len(choices) >= 2
    if not (texts and all(isinstance(choice, str) and choice for choice in choices)):
        raise DataError(f"{where}: there must be a context and two choices or more; write {_FORM}")
    if type(answer) is not int or not 0 <= answer < len(choices):
        raise DataError(
            f"{where}: the answer is {answer!r}; it must be the number of a choice, from 0 to "
            f"{len(choices) - 1}"
        )
    return Question(context, choices, answer, where)


def ending_log_probs(
    model: GPT, tokenizer: Tokenizer, context: str, endings: Sequence[str]
) -> list[float]:
    """ln P(ending | context) of each ending: the sum over its tokens, in nats.

    Context and ending are encoded together, so a token may lie across the boundary. All endings are
    scored from the first token on in which one of them differs from the context alone: what is
    scored besides is the same for all. Without a context they follow an end-of-text; with a
    tokenizer that has none the first token is not predicted. Of a context longer than the model's
    window, the end is read. Raises DataError for an ending that leaves no token to predict, or more
    than the window has.
    """
    before = tokenizer.encode(context) if context else []
    texts = [tokenizer.encode(context + ending) for ending in endings]
    shared = min(_common(before, ids) for ids in texts)
    if shared == 0:  # nothing is left to predict the first token from
        begin = [] if tokenizer.eot_id is None else [tokenizer.eot_id]
        texts, shared = [[*begin, *ids] for ids in texts], 1
    result = []
    for ids, ending in zip(texts, endings, strict=True):
        n, block_size = len(ids) - shared, model.config.block_size
        if not 1 <= n <= block_size:
            raise DataError(
                f"the ending {ending!r:.40} has {n} tokens to predict and the model reads 1 to "
                f"{block_size}; make it longer or shorter, or give a context"
            )
        row = np.array([ids[-(block_size + 1) :]])
        result.append(-finite_loss(model, row[:, :-1], row[:, -n:]) * n)
    return result


def _common(before: Sequence[int], ids: Sequence[int]) -> int:
    """How many tokens the context and a whole text begin with together; the last is not one."""
    pairs = enumerate(zip(before, ids, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(before), len(ids) - 1))


def _right(scores: list[float], answer: int) -> float:
    """1 where the answer has the highest score, 0 where another has; a tie is a guess.

    >>> _right([-1.0, -2.0], 0), _right([-1.0, -1.0], 0), _right([-1.0, -2.0], 1)
    (1.0, 0.5, 0.0)
    """
    best = max(scores)
    return (scores[answer] == best) / scores.count(best)


def score(
    model: GPT,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    *,
    done: Callable[[], object] | None = None,
) -> Score:
    """How many questions the model answers rightly; `done` is called after each.

    Raises DataError when there are none, and DataError or VocabularyError, naming its place, for
    one that cannot be scored.
    """
    if not questions:
        raise DataError("there are no questions to answer; give at least one")
    right = right_per_byte = chance = 0.0
    for question in questions:
        choices = question.choices
        try:
            log_probs = ending_log_probs(model, tokenizer, question.context, choices)
        except (DataError, VocabularyError) as error:
            raise type(error)(f"{question.place}: {error}") from error
        per_byte = [p / len(c.encode()) for p, c in zip(log_probs, choices, strict=True)]
        right += _right(log_probs, question.answer)
        right_per_byte += _right(per_byte, question.answer)
        chance += 1 / len(choices)
        if done:
            done()
    n = len(questions)
    return Score(right / n, right_per_byte / n, chance / n, n)
