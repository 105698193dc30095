"""Make the reference merges of tests/golden with Hugging Face tokenizers, which no test needs.

    python -m venv venv-hf && venv-hf/bin/pip install tokenizers==0.23.3
    PYTHONPATH=. venv-hf/bin/python tests/golden/make_bpe_golden.py

`bpe.json` has two texts, made here, as words with their counts, and the merges that Hugging Face's
trainer learns from them (as hexadecimal bytes): `clear`, whose counts are such that two pairs never
tie, and `tied`, a page of sentences in which nearly every choice is between equals.
"""

import json
from collections import Counter
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from tinygpt.tokenizers.bpe_train import SPLIT_PATTERN

SENTENCES = """\
The lighthouse keeper's daughter couldn't sleep; she'd counted 1024 waves before midnight.
"Who's there?" asked the baker. "It's only the wind," they said, "and we'll be gone by morning!"
In the café near the old bridge, Zoë ordered naïve crêpes  —  twice — and paid 35.50 €.
Всё хорошо, что хорошо кончается. 春の海 ひねもすのたり のたりかな。 😀😀 👍
\tfor i in range(10):
\t    print(i,   i * i)


The end... or isn't it? The keeper's daughter slept; the waves counted her.
"""


def clear_words() -> dict[str, int]:
    """Words over six letters with large odd counts, from a generator that is written out here."""
    state, words = 12345, {}
    for _ in range(250):
        letters = []
        for _ in range(3 + state // 65536 % 6):
            state = (state * 1103515245 + 12345) % 2**31
            letters.append("abcdeé"[state // 65536 % 6])
        words["".join(letters)] = 1 + state // 65536 % 997
    return words


def byte_of() -> dict[str, int]:
    """GPT-2's printable stand-ins for the bytes: visible Latin-1, the rest from U+0100 on."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in visible]
    return {chr(b): b for b in visible} | {chr(256 + i): b for i, b in enumerate(rest)}


def learn(pieces: dict[str, int], n_merges: int) -> list[list[str]]:
    """Hugging Face's merges of these texts, each given so many times."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=256 + n_merges,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        (text for text, count in pieces.items() for _ in range(count)), trainer
    )
    table = byte_of()
    return [
        [bytes(table[c] for c in token).hex() for token in pair]
        for pair in json.loads(tokenizer.to_str())["model"]["merges"]
    ]


def main() -> None:
    golden = {}
    for name, pieces, n_merges in (("clear", clear_words(), 70), ("tied", {SENTENCES: 1}, 200)):
        golden[name] = {"texts": Counter(pieces), "merges": learn(pieces, n_merges)}
    path = Path(__file__).parent / "bpe.json"
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=None) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
