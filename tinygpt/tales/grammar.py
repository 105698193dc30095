"""A small language for stories whose probability is known.

A template is text with four kinds of brackets:

    [a|b|c]           a choice; each alternative is as likely
    {hero=person}     draws a word of a category, each as likely, and remembers it
    {hero.he}         a form of what was remembered: pronoun, article and noun, past tense, …
    <open>            the template of that name, written here in full

`{hero=person.a}` draws and shows a form other than `name`; a form in capitals, `{hero.He}`, begins
a sentence. A new line begins a new slot of the story, unless it is indented or begins with `|`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


class Word:
    """One entry of a category: its forms by name."""

    def __init__(self, **forms: str) -> None:
        self.forms = forms | {
            name.capitalize(): form[:1].upper() + form[1:] for name, form in forms.items()
        }


Memory = dict[str, Word]  # what a story has drawn so far, by variable
State = tuple[int, Memory, float]  # read up to here, remembering this, at this log-probability


@dataclass
class Piece:
    """A stretch of a generated story. `word` is what it mentions under the name `variable`.

    The text is all that a reader needs: slot, variable, word and form serve those who look at what
    a story is made of.
    """

    text: str
    variable: str = ""
    word: Word | None = None
    form: str = ""
    slot: int = 0


@dataclass
class Story:
    """What a derivation has written so far."""

    pieces: list[Piece] = field(default_factory=list)
    memory: Memory = field(default_factory=dict)
    log_prob: float = 0.0
    slot: int = 0

    def write(
        self, text: str, variable: str = "", word: Word | None = None, form: str = ""
    ) -> None:
        self.pieces.append(Piece(text, variable, word, form, self.slot))

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


class Node:
    """A part of a template: `write` draws one text of it, `read` finds the texts that it can be."""

    def write(self, story: Story, rng: np.random.Generator) -> None:
        """Append to the story and add the log-probability of what was drawn."""
        raise NotImplementedError

    def read(self, text: str, start: int, memory: Memory) -> list[State]:
        """Every way to find this node in text from start on; [] if there is none."""
        raise NotImplementedError

    def entropy(self) -> float:
        """The nats that this node adds on average."""
        return 0.0  # of a node that leaves nothing to chance


@dataclass
class Literal(Node):
    """Text as it stands."""

    text: str

    def write(self, story: Story, rng: np.random.Generator) -> None:
        story.write(self.text)

    def read(self, text: str, start: int, memory: Memory) -> list[State]:
        if not text.startswith(self.text, start):
            return []
        return [(start + len(self.text), memory, 0.0)]


@dataclass
class Chain(Node):
    """One node after the other."""

    parts: list[Node]

    def write(self, story: Story, rng: np.random.Generator) -> None:
        for part in self.parts:
            part.write(story, rng)

    def read(self, text: str, start: int, memory: Memory) -> list[State]:
        states = [(start, memory, 0.0)]
        for part in self.parts:
            states = [
                (end, after, so_far + log_prob)
                for middle, before, so_far in states
                for end, after, log_prob in part.read(text, middle, before)
            ]
            if not states:  # most readings fail early
                break
        return states

    def entropy(self) -> float:
        return sum(part.entropy() for part in self.parts)


class Plot(Chain):
    """The slots of a story, one after the other; it numbers what they write."""

    def write(self, story: Story, rng: np.random.Generator) -> None:
        for slot, part in enumerate(self.parts):
            story.slot = slot
            part.write(story, rng)


@dataclass
class Choice(Node):
    """One of several nodes: each of them is as likely."""

    options: list[Node]

    def write(self, story: Story, rng: np.random.Generator) -> None:
        option = self.options[int(rng.integers(len(self.options)))]
        story.log_prob -= math.log(len(self.options))
        option.write(story, rng)

    def read(self, text: str, start: int, memory: Memory) -> list[State]:
        own = -math.log(len(self.options))
        return [
            (end, after, own + log_prob)
            for option in self.options
            for end, after, log_prob in option.read(text, start, memory)
        ]

    def entropy(self) -> float:
        n = len(self.options)
        return math.log(n) + sum(option.entropy() for option in self.options) / n


@dataclass
class Draw(Node):
    """A word of the category: each of them is as likely."""

    variable: str
    category: list[Word]
    form: str

    def write(self, story: Story, rng: np.random.Generator) -> None:
        word = self.category[int(rng.integers(len(self.category)))]
        story.memory[self.variable] = word
        story.log_prob -= math.log(len(self.category))
        story.write(word.forms[self.form], self.variable, word, self.form)

    def read(self, text: str, start: int, memory: Memory) -> list[State]:
        own = -math.log(len(self.category))
        return [
            (start + len(word.forms[self.form]), memory | {self.variable: word}, own)
            for word in self.category
            if text.startswith(word.forms[self.form], start)
        ]

    def entropy(self) -> float:
        return math.log(len(self.category))


@dataclass
class Mention(Node):
    """A form of a word drawn before: nothing is left to chance."""

    variable: str
    form: str

    def write(self, story: Story, rng: np.random.Generator) -> None:
        word = story.memory[self.variable]
        story.write(word.forms[self.form], self.variable, word, self.form)

    def read(self, text: str, start: int, memory: Memory) -> list[State]:
        return Literal(memory[self.variable].forms[self.form]).read(text, start, memory)


class Grammar:
    """Stories: one of the plots, each as likely. All are templates, as are the named rules.

    Raises KeyError for a rule or category that is not there, ValueError for a bracket that does not
    close or was not opened.
    """

    def __init__(
        self,
        plots: Mapping[str, str],
        rules: Mapping[str, str],
        categories: Mapping[str, list[Word]],
    ) -> None:
        self._rules = rules
        self._categories = categories
        self.plots = {name: self._plot(template) for name, template in plots.items()}
        self._start = Choice(list(self.plots.values()))

    def write(self, rng: np.random.Generator) -> Story:
        """One story, drawn."""
        story = Story()
        self._start.write(story, rng)
        return story

    def readings(self, text: str) -> list[float]:
        """The log-probability of each derivation: for an unambiguous grammar one, or none."""
        return [log_prob for end, _, log_prob in self._start.read(text, 0, {}) if end == len(text)]

    def log_prob(self, text: str) -> float | None:
        """The log-probability (nats) that `write` gives the text; None if it never does."""
        readings = self.readings(text)
        return float(np.logaddexp.reduce(readings)) if readings else None

    def entropy(self) -> float:
        """The mean of -log_prob (nats) over all derivations, exact.

        By the chain rule: H(X, Y) = H(X) + H(Y given X). If the grammar is unambiguous, this is the
        entropy of its texts, and no model of them has a smaller loss a text on average.
        """
        return self._start.entropy()

    def _plot(self, template: str) -> Plot:
        """Its slots, each but the last with the space that follows it."""
        slots = _unwrapped(template).split("\n")
        spaced = [slot + " " for slot in slots[:-1]] + slots[-1:]
        return Plot([self._compile(slot) for slot in spaced])

    def _compile(self, template: str) -> Node:
        tokens = re.findall(r"[\[\]|]|\{[^{}<>]*\}|<[^{}<>]*>|[^\[\]|{}<>]+", template)
        if "".join(tokens) != template:
            raise ValueError(f"in the template {template!r} {{}} or <> does not close")
        tokens.reverse()  # the next one is the last
        node = self._chain(tokens)
        if tokens:
            raise ValueError(f"the template {template!r} has a bracket or bar too many")
        return node

    def _chain(self, tokens: list[str]) -> Chain:
        """Takes the nodes up to a bar or a bracket that closes."""
        parts: list[Node] = []
        while tokens and tokens[-1] not in "|]":
            token = tokens.pop()
            parts.append(self._choice(tokens) if token == "[" else self._leaf(token))
        return Chain(parts)

    def _choice(self, tokens: list[str]) -> Choice:
        """Takes the alternatives up to the bracket that closes, and the bracket."""
        options: list[Node] = []
        last = "|"
        while last == "|":
            options.append(self._chain(tokens))
            if not tokens:
                raise ValueError("a [ in a template does not close")
            last = tokens.pop()
        return Choice(options)

    def _leaf(self, token: str) -> Node:
        if token[0] == "<":
            return self._compile(_unwrapped(self._rules[token[1:-1]]))
        if token[0] != "{":
            return Literal(token)
        draw = re.fullmatch(r"\{(\w+)=(\w+)(?:\.(\w+))?\}", token)
        if draw:
            return Draw(draw[1], self._categories[draw[2]], draw[3] or "name")
        variable, _, form = token[1:-1].partition(".")
        return Mention(variable, form or "name")


def _unwrapped(template: str) -> str:
    """Lines that are indented or begin with a bar go on with the line before."""
    return re.sub(r"\n +", " ", re.sub(r"\n *\|", "|", template.strip()))
