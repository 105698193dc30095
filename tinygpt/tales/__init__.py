"""Small stories, generated and recognised, whose probability is known exactly.

    generate(rng) -> str
    generate_with_log_prob(rng) -> (str, float)
    log_prob(text) -> float, or None if the text is no tale
    entropy() -> float

A model that has learned the stories perfectly has a loss of -log_prob nats a story on average, and
no less; over all stories that mean is entropy().
"""

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # NumPy and the templates wait until a story is wanted
    import numpy as np

    from tinygpt.tales.grammar import Grammar

__all__ = ["entropy", "generate", "generate_with_log_prob", "grammar_of_tales", "log_prob"]


@functools.cache
def grammar_of_tales() -> "Grammar":
    """The grammar itself; compiled when it is first asked for."""
    from tinygpt.tales.grammar import Grammar
    from tinygpt.tales.promises import PROMISES
    from tinygpt.tales.rules import RULES
    from tinygpt.tales.things import THINGS
    from tinygpt.tales.words import CATEGORIES

    return Grammar(THINGS | PROMISES, RULES, CATEGORIES)


def generate(rng: "np.random.Generator") -> str:
    """A story of one paragraph, without a line end."""
    return generate_with_log_prob(rng)[0]


def generate_with_log_prob(rng: "np.random.Generator") -> tuple[str, float]:
    """A story and the natural logarithm of its probability."""
    story = grammar_of_tales().write(rng)
    return story.text, story.log_prob


def log_prob(text: str) -> float | None:
    """The log-probability (nats) with which `generate` returns exactly this text; None if never."""
    return grammar_of_tales().log_prob(text)


def entropy() -> float:
    """Nats a story, exact: the mean of -log_prob, which is what a perfect model loses on average.

    An end-of-text token after each story adds nothing, for nothing else can follow.
    """
    return grammar_of_tales().entropy()
