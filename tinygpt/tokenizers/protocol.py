"""What a tokenizer is, the two checks that all of them share, and the end of a text."""

import re
from collections.abc import Iterable
from typing import Any, Protocol

from tinygpt.errors import VocabularyError

END_OF_TEXT = "<|endoftext|>"
_END_LINE = re.compile(rf"^{re.escape(END_OF_TEXT)}\r?(?:\n|\Z)", re.MULTILINE)


class Tokenizer(Protocol):
    """Text to token ids and back: `decode(encode(text)) == text` wherever `encode` succeeds."""

    @property
    def name(self) -> str:
        """What `--tokenizer` calls it."""

    @property
    def vocab_size(self) -> int:
        """How many ids there are: 0 .. vocab_size - 1."""

    @property
    def eot_id(self) -> int | None:
        """The id that stands between texts, or None; its bytes are empty, so it is never shown."""

    def encode(self, text: str) -> list[int]:
        """Raises VocabularyError for text that has no ids."""

    def decode(self, ids: Iterable[int]) -> str:
        """Malformed UTF-8 becomes U+FFFD. Raises VocabularyError for an id out of range."""

    def token_bytes(self, id: int) -> bytes:
        """The UTF-8 that an id stands for, perhaps a part of a character. VocabularyError."""

    def to_json(self) -> dict[str, Any]:
        """What `load_tokenizer` needs to make this tokenizer again."""


def to_utf8(text: str) -> bytes:
    """The text's UTF-8. Raises VocabularyError for a lone surrogate, which has none.

    Lone surrogates are half a character of UTF-16: Python makes them from file names and command
    lines that are not UTF-8, and from JSON's escapes.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise VocabularyError(
            f"the text has {text[error.start]!r} at position {error.start}, half a UTF-16 "
            "character that stands for nothing; remove it, or read the text as UTF-8"
        ) from None


def check_ids(ids: Iterable[int], vocab_size: int) -> list[int]:
    """The ids as plain integers. Raises VocabularyError for one outside 0 .. vocab_size - 1."""
    checked = [int(id) for id in ids]
    for id in (min(checked), max(checked)) if checked else ():
        if not 0 <= id < vocab_size:
            raise VocabularyError(
                f"there is no token id {id}: the vocabulary has {vocab_size} ids, "
                f"0 to {vocab_size - 1}; use the tokenizer that the ids were made with"
            )
    return checked


def split_documents(text: str) -> list[str]:
    """What stands before, between and after the lines `<|endoftext|>` of a corpus file.

    Such a line is the token, with its own line end. In prompts, and elsewhere in a line, the
    same characters are plain text.

    >>> split_documents("one\\n<|endoftext|>\\ntwo <|endoftext|>\\n<|endoftext|>\\n")
    ['one\\n', 'two <|endoftext|>\\n', '']
    """
    return _END_LINE.split(text)
