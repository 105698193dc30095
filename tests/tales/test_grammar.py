"""The machinery on grammars small enough to write out."""

import math
from collections import Counter

import numpy as np
import pytest
from derivations import all_texts, bounds, first_prefix

from tinygpt.tales.grammar import Grammar, Word
from tinygpt.tales.rules import RULES
from tinygpt.tales.words import CATEGORIES

PETS = [
    Word(name="Ann", he="she"),
    Word(name="Anna", he="she"),  # begins as another name does
    Word(name="Bob", he="he"),
]
GUESTS = [Word(name="Cleo", he="she"), Word(name="Dan", he="he")]
SMALL = {
    "plots": {
        "met": "{a=pet} met {b=guest}[| again| at last].\n<then>\n[{a}|{b}] laughed.",
        "slept": "{a=pet} slept.\n[{a.He} snored|{c=guest} did not]\n  until [noon\n  |night]."
        "\nThen {d=pet} woke.",
    },
    "rules": {"then": "{b.He} [sang|danced] with {a}."},
    "categories": {"pet": PETS, "guest": GUESTS},
}


@pytest.fixture(scope="module")
def small():
    return Grammar(**SMALL)


@pytest.fixture(scope="module")
def opening():
    """The real beginning of a story, with two words for each thing that it draws."""
    return Grammar({"only": "<open>"}, RULES, {name: c[:2] for name, c in CATEGORIES.items()})


@pytest.fixture(scope="module", params=["small", "opening"])
def enumerated(request):
    """A grammar and the log-probability of each of its texts."""
    grammar = request.getfixturevalue(request.param)
    return grammar, {text: grammar.log_prob(text) for text in all_texts(grammar)}


def test_all_texts_are_written_out_and_differ(small, opening):
    for grammar, count in (
        (small, 3 * 2 * 3 * 2 * 2 + 3 * (1 + 2) * 2 * 3),
        (opening, 2**4 * 12 * (5 + 1 + 1 + 1)),
    ):
        texts = all_texts(grammar)
        assert len(texts) == len(set(texts)) == count


def test_the_probabilities_of_all_texts_sum_to_one(enumerated):
    _, log_probs = enumerated
    assert math.fsum(map(math.exp, log_probs.values())) == pytest.approx(1, abs=1e-12)


def test_the_entropy_is_the_sum_over_all_texts(enumerated):
    grammar, log_probs = enumerated
    brute_force = math.fsum(-log_prob * math.exp(log_prob) for log_prob in log_probs.values())
    assert grammar.entropy() == pytest.approx(brute_force, rel=1e-12)


def test_bounds_are_those_of_all_texts(enumerated):
    grammar, log_probs = enumerated
    nats = [-log_prob for log_prob in log_probs.values()]
    words = [len(text.split()) for text in log_probs]
    assert bounds(grammar) == pytest.approx((min(nats), max(nats), min(words), max(words)))


def test_a_probability_is_the_product_of_the_choices(small):
    text = "Ann met Dan at last. He danced with Ann. Dan laughed."
    expected = 1 / 2 * 1 / 3 * 1 / 2 * 1 / 3 * 1 / 2 * 1 / 2
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
        "Ann met Bob. He sang with Ann. Ann laughed.",  # of another category
        "Ann met Dan. She sang with Ann. Ann laughed.",  # wrong pronoun
        "Ann met Dan. He sang with Anna. Ann laughed.",  # wrong name
        "Ann met Dan. He sang with Ann. Anna laughed.",
        "Ann met Dan. He sang with Ann.",  # ends early
        "Ann met Dan. He sang with Ann. Ann laughed. ",  # goes on
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


@pytest.mark.parametrize(
    "template",
    [
        "[a|b",
        "[a|",
        "[",
        "a]",
        "a|b",
        "[a]]",
        "a {b",
        "a <b",
        "a {",
        "b} c",
        "b> c",
        "{a <b}",
        "{{a}}",
    ],
)
def test_brackets_that_do_not_close_are_an_error(template):
    with pytest.raises(ValueError, match=r"does not close|too many"):
        Grammar({"only": template}, {}, {})


@pytest.mark.parametrize("template", ["<nothing>", "{a=nothing}"])
def test_a_name_that_is_not_there_is_an_error(template):
    with pytest.raises(KeyError, match="nothing"):
        Grammar({"only": template}, {}, {})


@pytest.mark.parametrize(
    "template",
    [
        "{a=pet} has {a.tail}",
        "{a=pet.tail} has it",
        "{a} met {a=pet}",
        "[{a=pet}|Somebody] met {a.him}",
        "[It|{a=pet}] met {a=pet}",
    ],
)
def test_the_walk_over_all_derivations_finds_an_authors_typo(template):
    with pytest.raises((KeyError, ValueError), match=r"tail|'a'|'him'|drawn again"):
        bounds(Grammar({"only": template}, {}, {"pet": PETS}))


def test_a_prefix_is_found_wherever_it_stands():
    assert first_prefix(["go", "be", "a", "b c", "b c d", "c"]) == ("b c", "b c d")
    assert first_prefix(["a", "b", "a"]) == ("a", "a")
    assert first_prefix(["ab", "ac", "b", ""]) == ("", "ab")
    assert first_prefix(["ab", "b", "ac"]) is None
