"""One id per character that the training text has: small, and easy to look at."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tinygpt.errors import VocabularyError
from tinygpt.tokenizers.protocol import check_ids, to_utf8

_NAMED = 10  # unseen characters that an error message names


class CharTokenizer:
    """Id i is the i-th of `characters`; there is no end-of-text.

    Raises VocabularyError when the characters are none, repeat, or are lone surrogates.

    >>> tokenizer = CharTokenizer("abc")
    >>> tokenizer.encode("cab")
    [2, 0, 1]
    """

    name = "char"
    eot_id = None

    def __init__(self, characters: str) -> None:
        if not characters:
            raise VocabularyError(
                "the character tokenizer was given no characters; give it a text that has some"
            )
        to_utf8(characters)
        self.characters = characters
        self.vocab_size = len(characters)
        self._id_of = {character: id for id, character in enumerate(characters)}
        if len(self._id_of) != len(characters):
            twice, count = Counter(characters).most_common(1)[0]
            raise VocabularyError(
                f"the character {twice!r} stands {count} times in the vocabulary; "
                "give every character once"
            )

    @classmethod
    def from_text(cls, text: str) -> "CharTokenizer":
        """The text's characters in the order of their code points."""
        return cls("".join(sorted(set(text))))

    def encode(self, text: str) -> list[int]:
        try:
            return [self._id_of[character] for character in text]
        except KeyError:
            raise VocabularyError(self._unseen(text)) from None

    def _unseen(self, text: str) -> str:
        counts = Counter(character for character in text if character not in self._id_of)
        named = ", ".join(f"{c!r} ({n} times)" for c, n in counts.most_common(_NAMED))
        more = f" and {len(counts) - _NAMED} others" if len(counts) > _NAMED else ""
        return (
            f"the text has characters that the vocabulary of {self.vocab_size} has not: "
            f"{named}{more}; remove them from the text, or train with --tokenizer bytes, "
            "which knows every character"
        )

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(self.characters[id] for id in check_ids(ids, self.vocab_size))

    def token_bytes(self, id: int) -> bytes:
        return self.decode([id]).encode("utf-8")

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "characters": self.characters}
