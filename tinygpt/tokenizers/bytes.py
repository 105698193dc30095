"""The simplest tokenizer that can say everything: one id per byte of UTF-8."""

from collections.abc import Iterable
from typing import Any

from tinygpt.tokenizers.protocol import check_ids, to_utf8


class ByteTokenizer:
    """Ids 0 to 255 are the bytes; 256 is the end of a text, `<|endoftext|>`.

    >>> ByteTokenizer().encode("né")
    [110, 195, 169]
    >>> ByteTokenizer().decode([110, 195, 256])  # half a character, and an end that is not shown
    'n�'
    """

    name = "bytes"
    vocab_size = 257
    eot_id = 256

    def encode(self, text: str) -> list[int]:
        return list(to_utf8(text))

    def decode(self, ids: Iterable[int]) -> str:
        shown = (id for id in check_ids(ids, self.vocab_size) if id != self.eot_id)
        return bytes(shown).decode("utf-8", errors="replace")

    def token_bytes(self, id: int) -> bytes:
        (id,) = check_ids([id], self.vocab_size)
        return b"" if id == self.eot_id else bytes([id])

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name}
