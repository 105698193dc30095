"""A folder's vocabulary <-> a tokenizer: the same text gets the same ids on both sides."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from tinygpt.convert.folder import read_json, read_text, require, write_json
from tinygpt.errors import CheckpointError, VocabularyError
from tinygpt.tokenizers import (
    BPETokenizer,
    ByteTokenizer,
    GPT2LikeTokenizer,
    GPT2Tokenizer,
    Tokenizer,
)
from tinygpt.tokenizers.bpe import join_pairs
from tinygpt.tokenizers.bpe_train import SPLIT_PATTERN
from tinygpt.tokenizers.gpt2_like import from_letters, to_letters
from tinygpt.tokenizers.protocol import END_OF_TEXT

Merge = tuple[str, str]
TOKENIZER, VOCAB, MERGES, ADDED = "tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json"


class Vocabulary(NamedTuple):
    """What the files say: token -> id, all of them; the pairs in the order they are joined."""

    ids: dict[str, int]
    merges: list[Merge]
    special: Collection[str]  # names of tokens that are no text
    ours: bool = False  # cut by tinygpt's own pattern instead of GPT-2's


def read_tokenizer(folder: Path, vocab_size: int) -> Tokenizer:
    """The folder's tokenizer, for a model of `vocab_size` ids.   Raises CheckpointError."""
    found = _read_vocabulary(folder)
    tokens = {id: token for token, id in found.ids.items()}
    require(
        len(tokens) == len(found.ids) and all(id >= 0 for id in tokens),
        f"the vocabulary of {folder} gives one id to two tokens; fetch it again",
    )
    highest = max(tokens, default=0)
    require(
        highest < vocab_size,
        f"the vocabulary of {folder} has the id {highest} and its model only {vocab_size} ids; "
        "fetch both of one model",
    )
    # ids of the model that stand for no token, as in a vocabulary rounded up to a multiple of 64
    unused = [id for id in range(vocab_size) if id not in tokens]
    tokens |= {id: f"<|unused-{id}|>" for id in unused}
    try:
        tokenizer = GPT2LikeTokenizer(
            [tokens[id] for id in range(vocab_size)],
            [*(found.ids[name] for name in found.special if name in found.ids), *unused],
        )
        require(
            merges_of(tokenizer.ranks) == found.merges,
            f"the vocabulary of {folder} joins its tokens in another order than that of their "
            "ids, which GPT-2's does not; convert a model with a vocabulary like GPT-2's",
        )
        return _as_trained_here(tokenizer, found) if found.ours else tokenizer
    except VocabularyError as error:
        raise CheckpointError(
            f"the vocabulary of {folder} cannot be used: {error}; fetch it again, or convert a "
            "model with a vocabulary like GPT-2's"
        ) from error


def write_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """The files that transformers loads it from.   Raises CheckpointError for characters."""
    ours = isinstance(tokenizer, BPETokenizer | ByteTokenizer)
    require(
        ours or isinstance(tokenizer, GPT2Tokenizer),
        f"the {tokenizer.name} tokenizer has no place in a GPT-2 folder, whose vocabulary is "
        "byte pairs; convert a model trained with --tokenizer bpe, bytes or gpt2",
    )
    ranks, special = _ranks(tokenizer)
    ids = {to_letters(token): id for token, id in ranks.items()}
    merges = merges_of(ranks)
    write_json(folder / TOKENIZER, _tokenizer_json(ids, merges, special, ours))
    end = END_OF_TEXT if tokenizer.eot_id is not None else None
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast" if ours else "GPT2Tokenizer",
            "add_prefix_space": False,
            "clean_up_tokenization_spaces": False,
            **{f"{role}_token": end for role in ("bos", "eos", "unk")},
        },
    )
    if not ours:  # files that imply GPT-2's pattern
        write_json(folder / VOCAB, ids | special)
        lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
        (folder / MERGES).write_text("\n".join(lines) + "\n", encoding="utf-8")


def merges_of(ranks: dict[bytes, int]) -> list[Merge]:
    """The two tokens that each longer one is joined from, in the order of their ranks.

    They are what is left of its bytes when all pairs of lower rank are joined. Raises
    VocabularyError when these are more than two: no text could ever become that token.

    >>> merges_of({b"a": 0, b"b": 1, b"ab": 2, b"aba": 3})
    [('a', 'b'), ('ab', 'a')]
    """
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            parts = [to_letters(part) for part in join_pairs(token, ranks, below=rank)]
            if len(parts) != 2:
                raise VocabularyError(f"no pair of its tokens makes {to_letters(token)!r:.80}")
            merges.append((parts[0], parts[1]))
    return merges


def _read_vocabulary(folder: Path) -> Vocabulary:
    if (folder / TOKENIZER).exists():
        return _from_tokenizer_json(folder / TOKENIZER)
    for name in (VOCAB, MERGES):
        require(
            (folder / name).exists(),
            f"{folder} has no {name} and no {TOKENIZER}; fetch its vocabulary too",
        )
    lines = read_text(folder / MERGES).split("\n")
    if lines[0].startswith("#version"):
        del lines[0]
    pairs = [line.split(" ") for line in lines if line]
    added = read_json(folder / ADDED) if (folder / ADDED).exists() else {}
    ids = read_json(folder / VOCAB) | added
    return _checked(folder / VOCAB, ids, pairs, {END_OF_TEXT, *added})


def _checked(
    path: Path, ids: Any, merges: Any, special: Collection[str], ours: bool = False
) -> Vocabulary:
    """The vocabulary, if these are ids and pairs at all."""
    good = isinstance(ids, dict) and all(type(id) is int for id in ids.values())
    require(good, f"{path} has no ids of tokens; fetch it again")
    good = isinstance(merges, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
        for pair in merges
    )
    require(good, f"the merges of {path} are not pairs of tokens; fetch it again")
    return Vocabulary(ids, [(left, right) for left, right in merges], special, ours)


def _from_tokenizer_json(path: Path) -> Vocabulary:
    values = read_json(path)
    model = values.get("model")
    model = model if isinstance(model, dict) else {}
    affixes = ("continuing_subword_prefix", "end_of_word_suffix")
    require(
        model.get("type", "BPE") == "BPE"  # older files do not say it
        and not any(model.get(name) for name in affixes)
        and values.get("normalizer") is None,
        f"{path} is not a byte-pair vocabulary such as GPT-2's; convert a model that has one",
    )
    ours = _same(values.get("pre_tokenizer"), _cutting(True))
    require(
        ours or _same(values.get("pre_tokenizer"), _cutting(False)),
        f"{path} cuts text in another way than GPT-2; convert a model with a vocabulary like "
        "GPT-2's",
    )
    added = values.get("added_tokens") or []
    require(
        isinstance(added, list)
        and all(isinstance(a, dict) and isinstance(a.get("content"), str) for a in added)
        and all(token.get("special") is True for token in added),
        f"{path} adds tokens that are not special, which GPT-2's does not; convert a model with a "
        "vocabulary like GPT-2's",
    )
    special = {token["content"]: token.get("id") for token in added}
    ids = model.get("vocab")
    ids = ids | special if isinstance(ids, dict) else ids
    merges = model.get("merges")
    if isinstance(merges, list):  # older files write a pair as one text
        merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in merges]
    return _checked(path, ids, merges, special, ours)


def _cutting(ours: bool) -> dict[str, Any]:
    """tokenizer.json's name for the way in which text is cut before bytes are joined."""
    by_bytes = _by_bytes(use_regex=not ours)
    if not ours:
        return by_bytes
    cut = {
        "type": "Split",
        "pattern": {"Regex": SPLIT_PATTERN},
        "behavior": "Isolated",
        "invert": False,
    }
    return {"type": "Sequence", "pretokenizers": [cut, by_bytes]}


def _by_bytes(*, use_regex: bool) -> dict[str, Any]:
    """GPT-2's alphabet; trim_offsets moves no id."""
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def _same(found: Any, wanted: Any) -> bool:
    """Whether `found` says all that `wanted` does; use_regex is true where it is not said."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            _same(found.get(key, True if key == "use_regex" else None), value)
            for key, value in wanted.items()
            if key != "trim_offsets"
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list) and len(found) == len(wanted) and all(map(_same, found, wanted))
        )
    return bool(found == wanted)


def _as_trained_here(tokenizer: GPT2LikeTokenizer, found: Vocabulary) -> BPETokenizer:
    """The byte-pair tokenizer that write_tokenizer had.   Raises VocabularyError."""
    ids = tokenizer.ranks
    merges = [(ids[from_letters(left)], ids[from_letters(right)]) for left, right in found.merges]
    ours = BPETokenizer(merges)
    if ours.ranks != ids or ours.eot_id != tokenizer.eot_id:
        raise VocabularyError("its ids are not bytes, merges and the end-of-text, in this order")
    return ours


def _ranks(tokenizer: Tokenizer) -> tuple[dict[bytes, int], dict[str, int]]:
    """Bytes -> id of all tokens but the special ones; name -> id of those."""
    ranks, special = {}, {}
    names = (
        {id: tokenizer.tokens[id] for id in tokenizer.special}
        if isinstance(tokenizer, GPT2LikeTokenizer)
        else {tokenizer.eot_id: END_OF_TEXT}
    )
    for id in range(tokenizer.vocab_size):
        if id in names:
            special[names[id]] = id
        else:
            ranks[tokenizer.token_bytes(id)] = id
    return ranks, special


def _tokenizer_json(
    ids: dict[str, int], merges: list[Merge], special: dict[str, int], ours: bool
) -> dict[str, Any]:
    """What the `tokenizers` library reads."""
    added = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": id, "content": name, **added, "special": True} for name, id in special.items()
        ],
        "normalizer": None,
        "pre_tokenizer": _cutting(ours),
        "post_processor": None,
        "decoder": _by_bytes(use_regex=True),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": ids | special,
            "merges": [list(pair) for pair in merges],
        },
    }
