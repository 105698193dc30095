"""Learning byte pairs from a text: the most frequent pair of neighbours becomes one token.

Sennrich, Haddow and Birch 2016 (algorithm 1), on bytes as in GPT-2 (Radford et al. 2019, 2.2).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from itertools import pairwise

Pair = tuple[int, int]

# Words with the blank before them, up to three digits, signs, blanks: no token crosses from one
# piece to the next. Every character falls into one of the classes, so no text is lost. After
# GPT-2's pattern; the bounds of 32 keep a piece, and so a token, short: without them a million
# blanks overflow the stack of tiktoken's regex engine.
SPLIT_PATTERN = (
    r"'(?:[sdmt]|ll|ve|re)(?![\p{L}\p{M}])| ?[\p{L}\p{M}]{1,32}| ?\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{M}\p{N}]{1,32}|\s{1,32}(?!\S)|\s"
)
LONGEST_TOKEN = 1 + 4 * 32  # bytes: a blank and 32 characters
N_FIXED = 257  # ids that are not learnt: the bytes, and the end of a text


def split(text: str) -> list[str]:
    """The pieces that are encoded each for itself; joined they are the text.

    >>> split("It's  2026, isn't it?")
    ['It', "'s", ' ', ' 202', '6', ',', ' isn', "'t", ' it', '?']
    """
    import regex

    pieces: list[str] = regex.findall(SPLIT_PATTERN, text)
    return pieces


def train_bpe(text: str | Iterable[str], vocab_size: int) -> list[Pair]:
    """The merges learnt from a text (or several), in order: merge i makes token 256 + i.

    Each step merges the pair with the highest count; of equal counts the smallest by (bytes of the
    left token, bytes of the right one). There are vocab_size - 257 merges, or fewer when no pair
    is left that occurs twice.

    >>> train_bpe("banana bandana", 260)  # an 4 times; then an+a and b+an tie, and an < b
    [(97, 110), (256, 97), (98, 256)]
    """
    texts = [text] if isinstance(text, str) else text
    frequency = Counter(piece for one in texts for piece in split(one))
    words = [list(piece.encode("utf-8")) for piece in frequency]
    times = list(frequency.values())
    tokens = [bytes([byte]) for byte in range(256)]
    counts: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)  # the words that have, or had, a pair
    for i, word in enumerate(words):
        for pair in pairwise(word):
            counts[pair] += times[i]
            where[pair].add(i)

    def entry(pair: Pair) -> tuple[int, bytes, bytes, Pair]:
        return -counts[pair], tokens[pair[0]], tokens[pair[1]], pair

    heap = [entry(pair) for pair in counts]
    heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < vocab_size - N_FIXED:
        negative_count, _, _, pair = heappop(heap)
        if counts[pair] < 2:
            continue
        if counts[pair] != -negative_count:
            # subtle: only pairs with the newest token ever gain counts, so an entry can be too
            # high but not too low, and it is enough to mend it when it comes to the top
            heappush(heap, entry(pair))
            continue
        new = len(tokens)
        merges.append(pair)
        tokens.append(tokens[pair[0]] + tokens[pair[1]])
        born: set[Pair] = set()
        for i in where.pop(pair):
            before, after = words[i], merge_pair(words[i], pair, new)
            words[i] = after
            for old in pairwise(before):
                counts[old] -= times[i]
            for now in pairwise(after):
                counts[now] += times[i]
                if new in now:
                    where[now].add(i)
                    born.add(now)
        for fresh in born:
            heappush(heap, entry(fresh))
    return merges


def merge_pair(word: list[int], pair: Pair, new: int) -> list[int]:
    """The word with every occurrence of the pair, from left to right, replaced by the new id.

    >>> merge_pair([7, 7, 7, 1, 7, 7], (7, 7), 256)
    [256, 7, 1, 256]
    """
    left, right = pair
    merged: list[int] = []
    i, last = 0, len(word) - 1
    while i <= last:
        if i < last and word[i] == left and word[i + 1] == right:
            merged.append(new)
            i += 2
        else:
            merged.append(word[i])
            i += 1
    return merged
