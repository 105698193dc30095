"""Text from token ids as they come, never half a character."""

import codecs

from tinygpt.tokenizers.protocol import Tokenizer


class TextStream:
    """What `push` and `finish` return, joined, is `tokenizer.decode` of all ids pushed.

    A token may end inside a character; its bytes are held until the character is complete, or
    shown as U+FFFD once they cannot be completed.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, id: int) -> str:
        """The text that this id completes, often its own. Raises VocabularyError."""
        return self._decoder.decode(self._tokenizer.token_bytes(id))

    def finish(self) -> str:
        """What is still held; the stream begins anew."""
        return self._decoder.decode(b"", final=True)
