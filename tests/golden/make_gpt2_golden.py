"""Make the folders of tests/golden/gpt2 with transformers, which no test needs; prove both ways.

    python -m venv venv-hf
    venv-hf/bin/pip install torch==2.13.0 transformers==5.23.0 '.[convert]'
    PYTHONPATH=. venv-hf/bin/python tests/golden/make_gpt2_golden.py           the small folders
    PYTHONPATH=. venv-hf/bin/python tests/golden/make_gpt2_golden.py --large   GPT-2's own size,
                            with GPT-2's own vocabulary, which tiktoken downloads (or has cached)

Each folder is a GPT2LMHeadModel with weights of order one as `save_pretrained` leaves it, with a
byte-pair vocabulary that Hugging Face's trainer learnt; expected.npz beside it has ids, logits, 50
greedy tokens, and texts with their ids, all computed by PyTorch in float32 from the saved files.
Then, and for --large in a temporary folder, the model goes through tinygpt and back, and what
transformers loads there is compared: the numbers are printed and asserted.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Tokenizer,
)

from tinygpt.checkpoint import load_model, save_checkpoint
from tinygpt.config import ModelConfig, SamplingConfig
from tinygpt.convert import from_gpt2, to_gpt2
from tinygpt.convert.vocabulary import read_tokenizer, write_tokenizer
from tinygpt.decoding import stream_ids
from tinygpt.model import GPT
from tinygpt.tokenizers import BPETokenizer, ByteTokenizer
from tinygpt.tokenizers import GPT2Tokenizer as OurGPT2Tokenizer

HERE = Path(__file__).parent / "gpt2"
TEXTS = [
    "The lighthouse keeper couldn't sleep; she'd counted 1024 waves   before midnight.\n\n\n",
    "It's the café near the old bridge — twice!  \"Who's there?\" 😀 春の海\t\tи всё хорошо. ",
    "  the the thethe<|endoftext|>\r\nnaïve ’quotes’ 3.14159 \x00\x7f\xa0 end  ",
]
SHAPES = {
    # sizes, dtype of the file, what is saved, bytes of a shard, a seed whose model is no parrot
    "plain": ({"n_layer": 2, "n_head": 3, "n_embd": 12}, torch.float32, "head", "1GB", 7),
    "half": ({"n_layer": 1, "n_head": 1, "n_embd": 8}, torch.float16, "body", "1GB", 7),
    "shards": ({"n_layer": 3, "n_head": 2, "n_embd": 16}, torch.bfloat16, "head", "12kB", 33),
}
LARGE = {"n_layer": 12, "n_head": 12, "n_embd": 768}
N_GREEDY = 50


def learn_vocabulary(size: int, special_first: bool) -> tuple[dict[str, int], list[str]]:
    """Byte pairs of TEXTS; the end-of-text is the first id, or GPT-2's way the last."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - (not special_first),
        special_tokens=["<|endoftext|>"] * special_first,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocab = dict(model["vocab"])
    vocab.setdefault("<|endoftext|>", len(vocab))
    return vocab, [tuple(pair) for pair in model["merges"]]


def save_vocabulary(folder: Path, name: str) -> int:
    """As vocab.json and merges.txt, or as the tokenizer.json of today; return how many ids."""
    vocab, merges = learn_vocabulary(290, special_first=name == "shards")
    if name == "half":
        (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), "utf-8")
        lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
        (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    else:
        GPT2Tokenizer(vocab=vocab, merges=merges).save_pretrained(folder)
    return len(vocab)


def order_one_weights(model: GPT2LMHeadModel, seed: int) -> None:
    """Products that keep the scale, and biases and gains far from 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    C = model.config.n_embd
    with torch.no_grad():
        for name, p in model.named_parameters():
            spread = 1.3 / C**0.5 if p.ndim == 2 else 0.4
            centre = 1.0 if "ln_" in name and name.endswith("weight") else 0.0
            p.copy_(centre + spread * torch.randn(p.shape, generator=generator))


def save_model(folder: Path, name: str, vocab_size: int) -> None:
    sizes, dtype, part, shard, seed = SHAPES[name]
    sizes = sizes | {"vocab_size": vocab_size, "n_positions": 64}
    model = GPT2LMHeadModel(GPT2Config(bos_token_id=0, eos_token_id=0, **sizes))
    order_one_weights(model, seed)
    saved = model.to(dtype) if part == "head" else model.to(dtype).transformer
    saved.save_pretrained(folder, max_shard_size=shard)
    (folder / "generation_config.json").unlink(missing_ok=True)


def expected(folder: Path, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Logits of ids (B, T), and the greedy continuation of the first eight of row 0."""
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(ids)).logits.numpy()
        known = ids[0, :8].tolist()
        for _ in range(N_GREEDY):
            scores = model(torch.tensor([known])).logits[0, -1]
            best, second = scores.topk(2)[0].tolist()
            assert best - second > 1e-4, "two tokens nearly tie: choose another seed"
            known.append(int(scores.argmax()))
    return {"ids": ids, "logits": logits, "greedy": np.array(known[8:])}


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


def prove(folder: Path, want: dict[str, np.ndarray]) -> None:
    """folder -> tinygpt -> a folder -> transformers: the same logits, tokens and ids of texts."""
    with tempfile.TemporaryDirectory() as place:
        converted, back = Path(place) / "model.h5", Path(place) / "back"
        from_gpt2(folder, converted)
        model, tokenizer = load_model(converted, device="cpu")
        logits, _ = model.forward(want["ids"])
        greedy = list(
            stream_ids(
                model,
                want["ids"][0, :8].tolist(),
                SamplingConfig(max_new_tokens=N_GREEDY, temperature=0),
                np.random.default_rng(0),
            )
        )
        to_gpt2(converted, back)
        again = expected(back, want["ids"])
        theirs, returned = (AutoTokenizer.from_pretrained(f) for f in (folder, back))
        for text in TEXTS:
            text = text.replace("<|endoftext|>", "")  # a name in the text: theirs is the token
            ids = tokenizer.encode(text)
            assert ids == theirs.encode(text) == returned.encode(text), text
            assert returned.decode(ids) == text
    errors = relative(logits, want["logits"]), relative(again["logits"], want["logits"])
    assert max(errors) < 1e-4
    assert greedy == want["greedy"].tolist() == again["greedy"].tolist()
    sys.stdout.write(
        f"{folder.name}: relative error of tinygpt's logits {errors[0]:.1e}, of the way back's "
        f"{errors[1]:.1e}; the same {N_GREEDY} greedy tokens three times\n"
    )


def small() -> None:
    for name in SHAPES:
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        vocab_size = save_vocabulary(folder, name)
        save_model(folder, name, vocab_size)
        ids = np.random.default_rng(5).integers(0, vocab_size, (2, 24))
        want = expected(folder, ids)
        prove(folder, want)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        texts = [text.replace("<|endoftext|>", "") for text in TEXTS]
        encoded = {f"text{i}": np.array(tokenizer.encode(t)) for i, t in enumerate(texts)}
        np.savez_compressed(folder / "expected.npz", texts=np.array(texts), **encoded, **want)


def ours() -> None:
    """Models trained here, whose vocabulary is cut by a pattern of our own, in transformers."""
    for tokenizer in (BPETokenizer.from_text("".join(TEXTS), 300), ByteTokenizer()):
        sizes = {"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 64}
        model = GPT(ModelConfig(vocab_size=tokenizer.vocab_size, **sizes))
        ids = np.random.default_rng(5).integers(0, tokenizer.vocab_size, (2, 24))
        with tempfile.TemporaryDirectory() as place:
            path, folder = Path(place) / "model.h5", Path(place) / "folder"
            save_checkpoint(
                path, config=model.config, flat=model.flat, tokenizer=tokenizer, state={}
            )
            to_gpt2(path, folder)
            theirs = AutoTokenizer.from_pretrained(folder)
            with torch.no_grad():
                loaded = AutoModelForCausalLM.from_pretrained(folder)
                logits = loaded(torch.from_numpy(ids)).logits.numpy()
            for text in (text.replace("<|endoftext|>", "") for text in TEXTS):
                assert theirs.encode(text) == tokenizer.encode(text), text
                assert theirs.decode(tokenizer.encode(text)) == text
        error = relative(logits, model.forward(ids)[0])
        sys.stdout.write(f"{tokenizer.name} out: relative error {error:.1e}, the same ids\n")
        assert error < 1e-4


def large() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "large"
        folder.mkdir()
        write_tokenizer(Path(place), tiktokens := OurGPT2Tokenizer())
        AutoTokenizer.from_pretrained(place).save_pretrained(folder)
        assert [read_tokenizer(folder, 50257).encode(t) for t in TEXTS] == [
            tiktokens.encode(t) for t in TEXTS
        ]
        model = GPT2LMHeadModel(GPT2Config(**LARGE))
        order_one_weights(model, seed=11)
        model.save_pretrained(folder)
        ids = np.random.default_rng(5).integers(0, 50257, (2, 200))
        prove(folder, expected(folder, ids))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true")
    if parser.parse_args().large:
        large()
    else:
        small()
        ours()
