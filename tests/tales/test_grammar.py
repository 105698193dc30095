"""The machinery on grammars small enough to write out."""

import math
from collections import Counter

import numpy as np
import pytest

from tinygpt.tales.grammar import Choice, Draw, Grammar, Literal, Mention, Run, Word

PETS = [
    Word(name="Ann", he="she"),
    Word(name="Anna", he="she"),  # begins as another name does
    Word(name="Bob", he="he"),
]
SMALL = {
    "plots": {
        "met": "{a=pet} met {b=pet}[| again|3:  at last].\n<then>\n[{a}|{b}] laughed.",
        "slept": "{a=pet} slept.\n[{a.He} snored|{c=pet} did not]\n  until [noon\n  |night].",
    },
    "rules": {"then": "{b.He} [sang|2: danced] with {a}."},
    "categories": {"pet": PETS},
}


@pytest.fixture(scope="module")
def small():
    return Grammar(**SMALL)


def written_out(node, memory):
    """Every (text, memory) of a node, without looking at probabilities or at the reader."""
    if isinstance(node, Literal):
        return [(node.text, memory)]
    if isinstance(node, Mention):
        return [(memory[node.variable].forms[node.form], memory)]
    if isinstance(node, Choice):
        return [pair for option in node.options for pair in written_out(option, memory)]
    if isinstance(node, Draw):
        free = [word for word in node.category if word not in memory.values()]
        return [(w.forms[node.form], memory | {node.variable: w}) for w in free]
    assert isinstance(node, Run)
    pairs = [("", memory)]
    for part in node.parts:
        pairs = [
            (text + more, after) for text, now in pairs for more, after in written_out(part, now)
        ]
    return pairs


def all_texts(grammar):
    return [text for plot in grammar.plots.values() for text, _ in written_out(plot, {})]


def test_the_probabilities_of_all_texts_sum_to_one(small):
    texts = all_texts(small)
    assert len(texts) == len(set(texts)) == 6 * 3 * 2 * 2 + 3 * (1 + 2) * 2
    assert math.fsum(math.exp(small.log_prob(text)) for text in texts) == pytest.approx(
        1, abs=1e-12
    )


def test_a_probability_is_the_product_of_the_choices(small):
    text = "Ann met Bob at last. He danced with Ann. Bob laughed."
    expected = 1 / 2 * 1 / 3 * 1 / 2 * 3 / 5 * 2 / 3 * 1 / 2
    assert math.exp(small.log_prob(text)) == pytest.approx(expected, rel=1e-12)


def test_sampled_frequencies_pass_chi_square(small):
    rng, draws = np.random.default_rng(0), 20_000
    counts = Counter(small.write(rng).text for _ in range(draws))
    texts = all_texts(small)
    assert set(counts) <= set(texts)
    expected = [draws * math.exp(small.log_prob(text)) for text in texts]
    statistic = sum((counts[t] - e) ** 2 / e for t, e in zip(texts, expected, strict=True))
    freedom = len(texts) - 1
    # the normal approximation of Wilson and Hilferty 1931; 3.1 is the one-in-a-thousand quantile
    quantile = freedom * (1 - 2 / (9 * freedom) + 3.1 * math.sqrt(2 / (9 * freedom))) ** 3
    assert statistic < quantile


@pytest.mark.parametrize(
    "text",
    [
        "Ann met Ann. She sang with Ann. Ann laughed.",  # drawn twice
        "Ann met Bob. She sang with Ann. Ann laughed.",  # wrong pronoun
        "Ann met Bob. He sang with Anna. Ann laughed.",  # wrong name
        "Ann met Bob. He sang with Ann. Anna laughed.",
        "Ann met Bob. He sang with Ann.",  # ends early
        "Ann met Bob. He sang with Ann. Ann laughed. ",  # goes on
        "",
    ],
)
def test_what_the_grammar_cannot_write_is_refused(small, text):
    assert small.log_prob(text) is None


def test_a_text_with_two_derivations_has_the_sum_of_both():
    twice = Grammar({"only": "[a|ab][b|]"}, {}, {})
    assert len(twice.readings("ab")) == 2
    assert math.exp(twice.log_prob("ab")) == pytest.approx(1 / 2)
    assert math.exp(twice.log_prob("a")) == pytest.approx(1 / 4)


@pytest.mark.parametrize("template", ["[a|b", "a]", "a|b", "[a]]"])
def test_brackets_that_do_not_close_are_an_error(template):
    with pytest.raises(ValueError, match=r"does not close|too many"):
        Grammar({"only": template}, {}, {})


@pytest.mark.parametrize("template", ["<nothing>", "{a=nothing}"])
def test_a_name_that_is_not_there_is_an_error(template):
    with pytest.raises(KeyError, match="nothing"):
        Grammar({"only": template}, {}, {})
