"""A byte-pair vocabulary of our own: learnt from a text, read here, run by tiktoken."""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tinygpt.errors import VocabularyError
from tinygpt.tokenizers.bpe_train import (
    LONGEST_TOKEN,
    N_FIXED,
    SPLIT_PATTERN,
    Pair,
    split,
    train_bpe,
)
from tinygpt.tokenizers.protocol import END_OF_TEXT, check_ids, split_documents, to_utf8

if TYPE_CHECKING:
    import tiktoken

DEFAULT_VOCAB_SIZE = 1024


def bpe_encode(text: str, ranks: dict[bytes, int]) -> list[int]:
    """Token ids of a text, slowly: in each piece, join the neighbours of lowest rank until none is.

    A token's rank is its id: what was learnt earlier is joined earlier, the leftmost of equals
    first. `BPETokenizer.encode` gives the same ids some twenty times as fast.

    >>> ranks = {bytes([byte]): byte for byte in range(256)} | {b"an": 256, b"ban": 257}
    >>> bpe_encode("banana", ranks)  # b a n a n a -> b an an a -> ban an a
    [257, 256, 97]
    """
    return [ranks[part] for piece in split(text) for part in join_pairs(to_utf8(piece), ranks)]


def join_pairs(piece: bytes, ranks: dict[bytes, int], below: float = math.inf) -> list[bytes]:
    """The tokens of one piece, made of pairs whose rank is lower than `below`.

    >>> ranks = {b"a": 0, b"b": 1, b"ab": 2, b"abb": 3}
    >>> join_pairs(b"abb", ranks), join_pairs(b"abb", ranks, below=3)  # the last join undone
    ([b'abb'], [b'ab', b'b'])
    """
    parts = [bytes([byte]) for byte in piece]
    while len(parts) > 1:
        joined = [left + right for left, right in pairwise(parts)]
        rank, i = min((ranks.get(token, math.inf), i) for i, token in enumerate(joined))
        if rank >= below:
            break
        parts[i : i + 2] = [joined[i]]
    return parts


class BPETokenizer:
    """Ids 0 to 255 are the bytes, 256 + i is what merge i joins, the last one is `<|endoftext|>`.

    `merges` are pairs of smaller ids, as `train_bpe` returns them. Raises VocabularyError when they
    cannot be such: an id that is not there yet, a token twice, a token longer than any piece.

    >>> tokenizer = BPETokenizer([(97, 110), (98, 256)])
    >>> tokenizer.encode("banana"), tokenizer.token_bytes(257), tokenizer.eot_id
    ([257, 256, 97], b'ban', 258)
    """

    name = "bpe"

    def __init__(self, merges: Sequence[Pair]) -> None:
        self.merges = list(merges)
        self._tokens = _tokens(self.merges)
        self.eot_id = len(self._tokens)
        self.vocab_size = self.eot_id + 1

    @classmethod
    def from_text(
        cls, text: str | Sequence[str], vocab_size: int = DEFAULT_VOCAB_SIZE
    ) -> "BPETokenizer":
        """Learn from a text, or several, whose lines `<|endoftext|>` are no part of it.

        A short text may not have enough pairs for vocab_size ids. Raises VocabularyError when
        vocab_size leaves no room for the bytes and the end-of-text, or for a lone surrogate.
        """
        if vocab_size < N_FIXED:
            raise VocabularyError(
                f"the byte-pair vocabulary was to have {vocab_size} ids; it needs at least "
                f"{N_FIXED}: 256 bytes and the end-of-text"
            )
        texts = [text] if isinstance(text, str) else text
        for one in texts:
            to_utf8(one)
        return cls(train_bpe((d for one in texts for d in split_documents(one)), vocab_size))

    @property
    def ranks(self) -> dict[bytes, int]:
        """The id of every token but the end-of-text, as `bpe_encode` and tiktoken take them."""
        return {token: id for id, token in enumerate(self._tokens)}

    @cached_property
    def _encoding(self) -> "tiktoken.Encoding":
        import tiktoken

        # Ranks with a byte missing or a token twice make its Rust code panic, with a BaseException:
        # _tokens has seen to both.
        return tiktoken.Encoding(
            "tinygpt-bpe",
            pat_str=SPLIT_PATTERN,
            mergeable_ranks=self.ranks,
            special_tokens={END_OF_TEXT: self.eot_id},
        )

    def encode(self, text: str) -> list[int]:
        to_utf8(text)  # tiktoken would put U+FFFD in the place of a lone surrogate, silently
        return self._encoding.encode_ordinary(text)

    def decode(self, ids: Iterable[int]) -> str:
        checked = check_ids(ids, self.vocab_size)
        return b"".join(self._tokens[id] for id in checked if id != self.eot_id).decode(
            "utf-8", errors="replace"
        )

    def token_bytes(self, id: int) -> bytes:
        (id,) = check_ids([id], self.vocab_size)
        return b"" if id == self.eot_id else self._tokens[id]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "pattern": SPLIT_PATTERN,
            "merges": [list(pair) for pair in self.merges],
        }

    @classmethod
    def from_json(cls, pattern: object, merges: object) -> "BPETokenizer":
        """From the values of `to_json`, perhaps from a file that lies. Raises VocabularyError.

        Only our own pattern is run: a foreign one may lose text, or take for ever.
        """
        if pattern != SPLIT_PATTERN:
            raise VocabularyError("its split pattern is not one that this tinygpt knows")
        if not isinstance(merges, list) or not all(
            type(pair) is list and [*map(type, pair)] == [int, int] for pair in merges
        ):
            raise VocabularyError("its merges are not a list of pairs of ids")
        return cls([(left, right) for left, right in merges])


def _tokens(merges: Sequence[Pair]) -> list[bytes]:
    """The bytes of every id below the end-of-text. Raises VocabularyError."""
    tokens = [bytes([byte]) for byte in range(256)]
    known = set(tokens)
    for i, (left, right) in enumerate(merges):
        if not (0 <= left < len(tokens) and 0 <= right < len(tokens)):
            raise VocabularyError(
                f"merge {i} joins the ids {str(left)[:20]} and {str(right)[:20]}; "
                f"only 0 to {len(tokens) - 1} are there before it"
            )
        token = tokens[left] + tokens[right]
        if len(token) > LONGEST_TOKEN:
            raise VocabularyError(
                f"merge {i} makes a token of {len(token)} bytes; at most {LONGEST_TOKEN} "
                "can be in one piece of text"
            )
        if token in known:
            raise VocabularyError(f"merge {i} makes {token!r}, which is a token already")
        known.add(token)
        tokens.append(token)
    return tokens
