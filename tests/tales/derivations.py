"""Walks over all derivations of a grammar, written apart from its reader and its entropy."""

import itertools
import math

from tinygpt.tales.grammar import Chain, Choice, Draw, Literal, Mention


def written_out(node, memory):
    """Every (text, memory) of a node, without looking at probabilities or at the reader."""
    if isinstance(node, Literal):
        return [(node.text, memory)]
    if isinstance(node, Mention):
        return [(memory[node.variable].forms[node.form], memory)]
    if isinstance(node, Choice):
        return [pair for option in node.options for pair in written_out(option, memory)]
    if isinstance(node, Draw):
        return [(w.forms[node.form], memory | {node.variable: w}) for w in node.category]
    assert isinstance(node, Chain)
    pairs = [("", memory)]
    for part in node.parts:
        pairs = [
            (text + more, after) for text, now in pairs for more, after in written_out(part, now)
        ]
    return pairs


def all_texts(grammar):
    return [text for plot in grammar.plots.values() for text, _ in written_out(plot, {})]


def first_prefix(texts):
    """A pair of which one begins with the other (or is the same); None if there is none."""
    in_order = sorted(texts)  # between a text and one that begins with it, all begin with it
    return next(
        (pair for pair in itertools.pairwise(in_order) if pair[1].startswith(pair[0])), None
    )


def leaves(node):
    """The literals, draws and mentions below a node."""
    parts = getattr(node, "parts", None) or getattr(node, "options", None) or []
    return [leaf for part in parts for leaf in leaves(part)] if parts else [node]


def draws(node):
    """The category of every variable that is drawn below the node."""
    return {leaf.variable: leaf.category for leaf in leaves(node) if isinstance(leaf, Draw)}


def memories(before, slots):
    """What a story can remember when one of these slots begins, as far as it matters to them.

    `before` has the category of every variable drawn by then. A variable matters to a slot that
    mentions it.
    """
    inside = [leaf for slot in slots for leaf in leaves(slot)]
    mentioned = {leaf.variable for leaf in inside if isinstance(leaf, Mention)}
    names = [name for name in before if name in mentioned]
    for words in itertools.product(*(before[name] for name in names)):
        yield dict(zip(names, words, strict=True))


def bounds(grammar):
    """(least nats, most nats, least words, most words) over all derivations, exactly.

    Comes to every node with everything that can be remembered there, up to words that are as long
    as each other. An author's typo is an error: KeyError for a form that a word lacks or a
    variable that is not drawn yet, ValueError for one drawn again.
    """
    start = {frozenset(): (0.0, 0.0, 0, 0)}
    ends = [least for plot in grammar.plots.values() for least in _walk(plot, start).values()]
    nats, minus_nats, blanks, minus_blanks = map(min, zip(*ends, strict=True))
    own = math.log(len(grammar.plots))
    return own + nats, own - minus_nats, 1 + blanks, 1 - minus_blanks


def _walk(node, before):
    """From {memory: least of (nats, -nats, blanks, -blanks)} before the node to those after it."""
    if isinstance(node, Chain):
        for part in node.parts:
            before = _walk(part, before)
        return before
    after = {}

    def arrive(memory, least, nats=0.0, text=""):
        blanks = text.count(" ")
        least = (least[0] + nats, least[1] - nats, least[2] + blanks, least[3] - blanks)
        after[memory] = tuple(map(min, after.get(memory, least), least))

    if isinstance(node, Choice):
        for option in node.options:
            for memory, least in _walk(option, before).items():
                arrive(memory, least, math.log(len(node.options)))
        return after
    for memory, least in before.items():
        words = dict(memory)
        if isinstance(node, Literal):
            arrive(memory, least, text=node.text)
        elif isinstance(node, Mention):
            arrive(memory, least, text=words[node.variable].forms[node.form])
        else:
            if node.variable in words:
                raise ValueError(f"{node.variable} is drawn again")
            # words with as many blanks in every form differ in nothing here: one stands for all
            alike = {
                frozenset((f, t.count(" ")) for f, t in w.forms.items()): w for w in node.category
            }
            for word in alike.values():
                drawn = memory | {(node.variable, word)}
                arrive(drawn, least, math.log(len(node.category)), word.forms[node.form])
    return after
