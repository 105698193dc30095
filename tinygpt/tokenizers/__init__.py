"""Text to token ids and back: bytes, characters, byte pairs of our own, or GPT-2's.

    bytes   256 bytes and an end-of-text: says everything, four ids for an emoji
    char    the characters of the training text: nothing else can be said
    bpe     byte pairs learnt from the training text: whole words that are frequent in it
    gpt2    50,257 pieces of words: the vocabulary of the published weights

and gpt2-like, a published model's own vocabulary, which only its checkpoint names.
Neither NumPy nor tiktoken is imported before a tokenizer needs it.
"""

from tinygpt.errors import CheckpointError, ConfigError, VocabularyError
from tinygpt.tokenizers.bpe import DEFAULT_VOCAB_SIZE, BPETokenizer, bpe_encode
from tinygpt.tokenizers.bpe_train import train_bpe
from tinygpt.tokenizers.bytes import ByteTokenizer
from tinygpt.tokenizers.char import CharTokenizer
from tinygpt.tokenizers.gpt2 import GPT2Tokenizer
from tinygpt.tokenizers.gpt2_like import GPT2LikeTokenizer
from tinygpt.tokenizers.protocol import Tokenizer, split_documents
from tinygpt.tokenizers.stream import TextStream

__all__ = [
    "DEFAULT_VOCAB_SIZE",
    "NAMES",
    "BPETokenizer",
    "ByteTokenizer",
    "CharTokenizer",
    "GPT2LikeTokenizer",
    "GPT2Tokenizer",
    "TextStream",
    "Tokenizer",
    "bpe_encode",
    "load_tokenizer",
    "make_tokenizer",
    "split_documents",
    "train_bpe",
]

NAMES = ("bytes", "char", "bpe", "gpt2")
_KEYS = {
    "bytes": {"name"},
    "char": {"name", "characters"},
    "bpe": {"name", "pattern", "merges"},
    "gpt2": {"name"},
    "gpt2-like": {"name", "tokens", "special"},
}


def make_tokenizer(name: str, text: str, vocab_size: int = DEFAULT_VOCAB_SIZE) -> Tokenizer:
    """The tokenizer of this name; `char` and `bpe` learn theirs from the text.

    Only `bpe` heeds vocab_size, the most ids it may have. Raises ConfigError for an unknown name,
    VocabularyError for a text without characters (char) or fewer than 257 ids (bpe),
    DataError when GPT-2's vocabulary cannot be had.
    """
    if name == "bytes":
        return ByteTokenizer()
    if name == "char":
        return CharTokenizer.from_text(text)
    if name == "bpe":
        return BPETokenizer.from_text(text, vocab_size)
    if name == "gpt2":
        return GPT2Tokenizer()
    raise ConfigError(f"there is no tokenizer {name!r}; choose one of {', '.join(NAMES)}")


def load_tokenizer(json_dict: object) -> Tokenizer:
    """The tokenizer whose `to_json` this is, perhaps read from a file that lies.

    Raises CheckpointError for anything else, DataError when GPT-2's vocabulary cannot be had.
    """
    if not isinstance(json_dict, dict) or not isinstance(json_dict.get("name"), str):
        raise _foreign("it is not an object with a name")
    name: str = json_dict["name"]
    if name not in _KEYS:
        raise _foreign(f"its name is {name[:40]!r}, and this tinygpt knows {', '.join(_KEYS)}")
    if set(json_dict) != _KEYS[name]:
        raise _foreign(f"{name} has the keys {', '.join(sorted(_KEYS[name]))} and no others")
    try:
        if name == "char":
            return CharTokenizer(_string(json_dict["characters"]))
        if name == "bpe":
            return BPETokenizer.from_json(json_dict["pattern"], json_dict["merges"])
        if name == "gpt2-like":
            return GPT2LikeTokenizer.from_json(json_dict["tokens"], json_dict["special"])
    except VocabularyError as error:
        raise _foreign(str(error)) from error
    return make_tokenizer(name, "")


def _string(characters: object) -> str:
    if not isinstance(characters, str):
        raise _foreign(f"its characters are a {type(characters).__name__}, not one string")
    return characters


def _foreign(why: str) -> CheckpointError:
    return CheckpointError(
        f"the stored tokenizer cannot be used: {why}; take a checkpoint that tinygpt wrote, "
        "or a newer tinygpt"
    )
