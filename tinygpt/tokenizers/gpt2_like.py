"""A published model's own vocabulary, cut and joined in GPT-2's way: what `convert` brings in.

The files of such models write bytes as letters, one visible character for each: GPT-2's alphabet.
"""

from collections.abc import Collection, Sequence
from typing import Any

from tinygpt.errors import VocabularyError
from tinygpt.tokenizers.gpt2 import GPT2Tokenizer
from tinygpt.tokenizers.protocol import to_utf8

# Words with the blank before them, numbers, signs, blanks (Radford et al. 2019, their encoder.py);
# "++" never gives back what it took, which changes no piece and saves the regex engine's stack.
GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"

_VISIBLE = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), 256)]
_HIDDEN = [byte for byte in range(256) if byte not in _VISIBLE]
BYTE_OF = {chr(byte): byte for byte in _VISIBLE} | {
    chr(256 + i): byte for i, byte in enumerate(_HIDDEN)
}
LETTER_OF = {byte: letter for letter, byte in BYTE_OF.items()}


def to_letters(token: bytes) -> str:
    """A token in GPT-2's alphabet.

    >>> to_letters(b" the")
    'Ġthe'
    """
    return "".join(LETTER_OF[byte] for byte in token)


def from_letters(letters: str) -> bytes:
    """The bytes of a token in GPT-2's alphabet. Raises VocabularyError for another character.

    >>> from_letters("Ġthe")
    b' the'
    """
    try:
        return bytes(BYTE_OF[letter] for letter in letters)
    except KeyError:
        raise VocabularyError(
            f"the token {letters!r:.40} is not written in GPT-2's alphabet of bytes"
        ) from None


class GPT2LikeTokenizer(GPT2Tokenizer):
    """`tokens` in the order of their ids, in GPT-2's alphabet; `special` are ids never shown.

    What is joined earlier has the lower id. Raises VocabularyError when a token is there twice or
    empty, one of the 256 bytes is missing, or a special id is not there.

    >>> tokenizer = GPT2LikeTokenizer([*BYTE_OF, "Ġa", "<|endoftext|>"], special=[257])
    >>> tokenizer.encode("! a"), tokenizer.eot_id
    ([0, 256], 257)
    """

    name = "gpt2-like"

    def __init__(self, tokens: Sequence[str], special: Collection[int]) -> None:
        self.tokens, self.special = list(tokens), sorted(special)
        if not set(self.special) <= set(range(len(self.tokens))):
            raise VocabularyError(
                f"a special id is outside the vocabulary of {len(self.tokens)} tokens"
            )
        hidden = set(self.special)
        self.ranks = {
            from_letters(token): id for id, token in enumerate(self.tokens) if id not in hidden
        }
        import tiktoken

        names = {self.tokens[id]: id for id in self.special}
        # tiktoken's Rust code panics, with a BaseException, at tokens that are there twice
        once = {*self.ranks, *map(to_utf8, names)}
        if len(once) != len(self.tokens) or b"" in once:
            raise VocabularyError("a token of the vocabulary is empty, or there twice")
        missing = [byte for byte in range(256) if bytes([byte]) not in self.ranks]
        if missing:
            raise VocabularyError(f"the vocabulary lacks the byte {missing[0]:#04x}")
        super().__init__(
            tiktoken.Encoding(
                self.name, pat_str=GPT2_PATTERN, mergeable_ranks=self.ranks, special_tokens=names
            )
        )

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "tokens": self.tokens, "special": self.special}

    @classmethod
    def from_json(cls, tokens: object, special: object) -> "GPT2LikeTokenizer":
        """From the values of `to_json`, perhaps from a file that lies. Raises VocabularyError."""
        if not isinstance(tokens, list) or not all(type(token) is str for token in tokens):
            raise VocabularyError("its tokens are not a list of texts")
        if not isinstance(special, list) or not all(type(id) is int for id in special):
            raise VocabularyError("its special ids are not a list of whole numbers")
        return cls(tokens, special)
