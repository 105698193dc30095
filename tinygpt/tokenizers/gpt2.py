"""GPT-2's byte-pair vocabulary, run by tiktoken."""

from collections.abc import Iterable
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, Any

from tinygpt.errors import DataError, VocabularyError
from tinygpt.tokenizers.protocol import END_OF_TEXT, check_ids, to_utf8

if TYPE_CHECKING:
    import tiktoken

_SECONDS = 60  # for the first use's download of 1.5 MB


class GPT2Tokenizer:
    """50,257 ids; 50256 is the end of a text.

    Raises DataError when tiktoken has the vocabulary neither in its cache nor from the network.
    `encoding` takes the place of tiktoken's "gpt2".
    """

    name = "gpt2"

    def __init__(self, encoding: "tiktoken.Encoding | None" = None) -> None:
        self._encoding = _load_encoding() if encoding is None else encoding
        self.vocab_size: int = self._encoding.n_vocab
        special = {
            name: self._encoding.encode_single_token(name)
            for name in self._encoding.special_tokens_set
        }
        self.eot_id: int | None = special.get(END_OF_TEXT)
        self._never_shown = set(special.values())

    def encode(self, text: str) -> list[int]:
        # A special token's name in the user's text is plain text; and tiktoken would put U+FFFD
        # in the place of a lone surrogate, silently.
        to_utf8(text)
        try:
            return self._encoding.encode_ordinary(text)
        except BaseException as error:  # Rust's panics are no Exceptions
            if type(error).__name__ != "PanicException":
                raise
            raise VocabularyError(
                "GPT-2's split pattern cannot cut this text (a run of a million blanks, say); "
                "shorten such runs, or use --tokenizer bpe"
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        shown = [id for id in check_ids(ids, self.vocab_size) if id not in self._never_shown]
        return self._encoding.decode_bytes(shown).decode("utf-8", errors="replace")

    def token_bytes(self, id: int) -> bytes:
        (id,) = check_ids([id], self.vocab_size)
        if id in self._never_shown:
            return b""
        return self._encoding.decode_single_token_bytes(id)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name}


def _load_encoding() -> "tiktoken.Encoding":
    import tiktoken

    loaded: Future[tiktoken.Encoding] = Future()

    def load() -> None:
        try:
            loaded.set_result(tiktoken.get_encoding("gpt2"))
        except BaseException as error:  # handed to the caller, who raises it
            loaded.set_exception(error)

    # tiktoken downloads without a time limit, and a firewall that drops packets would hold us
    # for minutes: a daemon thread can be left behind.
    Thread(target=load, daemon=True).start()
    try:
        return loaded.result(timeout=_SECONDS)
    except (OSError, ValueError) as error:  # requests' errors are OSErrors, a wrong hash ValueError
        raise DataError(
            f"the gpt2 vocabulary could not be had ({type(error).__name__}): tiktoken downloads it "
            "on first use, so run this once with a network, or point TIKTOKEN_CACHE_DIR at a "
            "folder that holds it"
        ) from error
