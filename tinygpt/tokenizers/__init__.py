"""Text to token ids and back: bytes, characters, or GPT-2's byte pairs.

    bytes   256 bytes and an end-of-text: says everything, four ids for an emoji
    char    the characters of the training text: nothing else can be said
    gpt2    50,257 pieces of words: the vocabulary of the published weights

Neither NumPy nor tiktoken is imported before a tokenizer needs it.
"""

from tinygpt.errors import CheckpointError, ConfigError, VocabularyError
from tinygpt.tokenizers.bytes import ByteTokenizer
from tinygpt.tokenizers.char import CharTokenizer
from tinygpt.tokenizers.gpt2 import GPT2Tokenizer
from tinygpt.tokenizers.protocol import Tokenizer
from tinygpt.tokenizers.stream import TextStream

__all__ = [
    "NAMES",
    "ByteTokenizer",
    "CharTokenizer",
    "GPT2Tokenizer",
    "TextStream",
    "Tokenizer",
    "load_tokenizer",
    "make_tokenizer",
]

NAMES = ("bytes", "char", "gpt2")


def make_tokenizer(name: str, text: str) -> Tokenizer:
    """The tokenizer of this name; `char` learns its characters from the text.

    Raises ConfigError for an unknown name, VocabularyError for a text without characters,
    DataError when GPT-2's vocabulary cannot be had.
    """
    if name == "bytes":
        return ByteTokenizer()
    if name == "char":
        return CharTokenizer.from_text(text)
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
    expected = {"name", "characters"} if name == "char" else {"name"}
    if name not in NAMES:
        raise _foreign(f"its name is {name[:40]!r}, and this tinygpt knows {', '.join(NAMES)}")
    if set(json_dict) != expected:
        raise _foreign(f"{name} has the keys {', '.join(sorted(expected))} and no others")
    if name != "char":
        return make_tokenizer(name, "")
    characters = json_dict["characters"]
    if not isinstance(characters, str):
        raise _foreign(f"its characters are a {type(characters).__name__}, not one string")
    try:
        return CharTokenizer(characters)
    except VocabularyError as error:
        raise _foreign(str(error)) from error


def _foreign(why: str) -> CheckpointError:
    return CheckpointError(
        f"the stored tokenizer cannot be used: {why}; take a checkpoint that tinygpt wrote, "
        "or a newer tinygpt"
    )
