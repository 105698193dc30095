"""GPT-2 folders in and out: parity with transformers' numbers, refusals, nothing half-written."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from small_models import GOLDEN, order_one, relative_error

from tinygpt.checkpoint import load_checkpoint, load_model, save_checkpoint
from tinygpt.config import ModelConfig, SamplingConfig
from tinygpt.convert import from_gpt2, to_gpt2
from tinygpt.convert.__main__ import main
from tinygpt.convert.vocabulary import read_tokenizer, write_tokenizer
from tinygpt.decoding import stream_ids
from tinygpt.errors import BackendError, CheckpointError
from tinygpt.tokenizers import (
    BPETokenizer,
    ByteTokenizer,
    CharTokenizer,
    GPT2LikeTokenizer,
    GPT2Tokenizer,
)
from tinygpt.tokenizers.gpt2_like import BYTE_OF, GPT2_PATTERN

ROOT = Path(__file__).parent.parent
FOLDERS = ["plain", "half", "shards"]


@pytest.fixture
def folder(tmp_path):
    """A copy of one of transformers' folders, to be damaged."""
    return shutil.copytree(GOLDEN / "gpt2" / "plain", tmp_path / "plain")


def converted(folder, tmp_path):
    path = tmp_path / "model.h5"
    from_gpt2(folder, path)
    return path


def expected(name):
    with np.load(GOLDEN / "gpt2" / name / "expected.npz", allow_pickle=False) as file:
        return dict(file)


def change_json(path, **changes):
    values = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(values | changes), "utf-8")


def change_tensors(folder, change):
    """`change` is given all tensors of model.safetensors, to add to and take away."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("name", FOLDERS)
def test_the_logits_are_those_of_transformers(name, tmp_path):
    model, _ = load_model(converted(GOLDEN / "gpt2" / name, tmp_path))
    want = expected(name)
    logits, _ = model.forward(want["ids"])
    assert relative_error(logits, want["logits"]) < 1e-5


@pytest.mark.parametrize("name", FOLDERS)
def test_fifty_greedy_tokens_are_those_of_transformers(name, tmp_path):
    model, _ = load_model(converted(GOLDEN / "gpt2" / name, tmp_path))
    want = expected(name)
    greedy = SamplingConfig(max_new_tokens=50, temperature=0)
    ids = stream_ids(model, want["ids"][0, :8].tolist(), greedy, np.random.default_rng(0))
    assert list(ids) == want["greedy"].tolist()
    assert len(set(want["greedy"].tolist())) > 5  # no model that repeats itself from the start


@pytest.mark.parametrize("name", FOLDERS)
def test_the_ids_of_a_text_are_those_of_transformers(name, tmp_path):
    tokenizer = load_checkpoint(converted(GOLDEN / "gpt2" / name, tmp_path)).tokenizer
    want = expected(name)
    for i, text in enumerate(want["texts"].tolist()):
        assert tokenizer.encode(text) == want[f"text{i}"].tolist()
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.eot_id == (0 if name == "shards" else 289)


@pytest.mark.parametrize("name", FOLDERS)
def test_the_way_back_has_the_tensors_that_came(name, tmp_path):
    """bfloat16 and float16 come back as float32 with the same values."""
    back = tmp_path / "back"
    to_gpt2(converted(GOLDEN / "gpt2" / name, tmp_path), back)
    written = load_file(back / "model.safetensors")
    came = {}
    for path in (GOLDEN / "gpt2" / name).glob("*.safetensors"):
        came |= {key.removeprefix("transformer."): a for key, a in read_raw(path).items()}
    assert {key.removeprefix("transformer.") for key in written} == set(came)
    for key, array in came.items():
        np.testing.assert_array_equal(written[f"transformer.{key}"], array)
    theirs, ours = (
        json.loads((f / "config.json").read_text()) for f in (GOLDEN / "gpt2" / name, back)
    )
    for key in ("n_layer", "n_head", "n_embd", "n_positions", "vocab_size", "model_type",
                "activation_function", "layer_norm_epsilon", "scale_attn_weights"):  # fmt: skip
        assert theirs[key] == ours[key]


def read_raw(path):
    """safetensors' own reading, with bfloat16 done by arithmetic: sign, exponent, fraction."""
    from safetensors import deserialize

    arrays = {}
    for key, entry in deserialize(path.read_bytes()):
        if entry["dtype"] == "BF16":
            bits = np.frombuffer(entry["data"], "<u2").astype(int)
            sign, exponent, fraction = bits >> 15, (bits >> 7) & 255, bits & 127
            array = (-1.0) ** sign * 2.0 ** (exponent - 127) * (1 + fraction / 128)
        else:
            array = np.frombuffer(entry["data"], {"F16": "<f2", "F32": "<f4"}[entry["dtype"]])
        arrays[key] = array.reshape(entry["shape"]).astype(np.float32)
    return arrays


MERGES = [(116, 104), (256, 101), (32, 257)]
LIKE = GPT2LikeTokenizer(
    ["<|pad|>", *BYTE_OF, "th", "the", "Ġthe", "<|endoftext|>"], special=[0, 260]
)


@pytest.mark.parametrize(
    ("tokenizer", "again"),
    [
        (BPETokenizer(MERGES), BPETokenizer(MERGES)),
        (ByteTokenizer(), BPETokenizer([])),
        (LIKE, LIKE),
    ],
    ids=["bpe", "bytes", "gpt2-like"],
)
def test_out_and_in_again_is_the_same_model(tokenizer, again, tmp_path):
    V = tokenizer.vocab_size
    config = ModelConfig(vocab_size=V, block_size=8, n_layer=2, n_head=2, n_embd=8)
    flat = order_one(config, dtype=np.float32).flat
    first, second = tmp_path / "first.h5", tmp_path / "second.h5"
    save_checkpoint(first, config=config, flat=flat, tokenizer=tokenizer, state={})
    to_gpt2(first, tmp_path / "folder")
    from_gpt2(tmp_path / "folder", second)
    loaded = load_checkpoint(second)
    np.testing.assert_array_equal(loaded.flat, flat)
    assert loaded.config == config
    assert loaded.tokenizer.to_json() == again.to_json()
    assert loaded.tokenizer.encode("the  thé\n\n") == tokenizer.encode("the  thé\n\n")


def test_tiktokens_vocabulary_is_written_and_read_again(tmp_path):
    """GPT-2's own wants the network: here a small one in its place."""
    small = GPT2LikeTokenizer([*BYTE_OF, "th", "the", "Ġthe", "<|endoftext|>"], special=[259])
    write_tokenizer(tmp_path, GPT2Tokenizer(small._encoding))
    assert read_tokenizer(tmp_path, 260).to_json() == small.to_json()


def test_our_pattern_is_tiktokens_for_gpt2():
    from tiktoken_ext.openai_public import r50k_pat_str

    assert r50k_pat_str == GPT2_PATTERN


def test_old_files_carry_masks_and_a_tied_head(folder, tmp_path):
    def add(tensors):
        mask = np.tril(np.ones((1, 1, 64, 64), np.uint8))
        tensors["transformer.h.0.attn.bias"] = mask
        tensors["transformer.h.1.attn.masked_bias"] = np.array(-1e4, np.float32)
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"].copy()

    plain = load_checkpoint(converted(folder, tmp_path)).flat
    change_tensors(folder, add)
    from_gpt2(folder, tmp_path / "old.h5")
    np.testing.assert_array_equal(load_checkpoint(tmp_path / "old.h5").flat, plain)


def test_an_older_tokenizer_json_says_less_and_means_the_same(folder, tmp_path):
    def older(values):
        del values["model"]["type"], values["pre_tokenizer"]["use_regex"]
        values["model"]["merges"] = [" ".join(pair) for pair in values["model"]["merges"]]

    new = load_checkpoint(converted(folder, tmp_path)).tokenizer
    tokenizer_json(older)(folder)
    from_gpt2(folder, tmp_path / "old.h5")
    assert load_checkpoint(tmp_path / "old.h5").tokenizer.to_json() == new.to_json()


def test_a_token_added_later_is_special(tmp_path):
    folder = shutil.copytree(GOLDEN / "gpt2" / "half", tmp_path / "half")
    (folder / "added_tokens.json").write_text('{"<pad>": 290}')
    with pytest.raises(CheckpointError, match="has the id 290 and its model only 290 ids"):
        from_gpt2(folder, tmp_path / "out.h5")
    tokenizer = read_tokenizer(folder, 291)
    assert (tokenizer.eot_id, tokenizer.special) == (289, [289, 290])
    assert tokenizer.decode([290, *tokenizer.encode("<pad>")]) == "<pad>"


def test_a_vocabulary_rounded_up_gets_tokens_that_say_nothing(folder, tmp_path):
    def pad(tensors):
        wte = tensors["transformer.wte.weight"]
        tensors["transformer.wte.weight"] = np.vstack([wte, np.zeros((30, 12), np.float32)])

    change_tensors(folder, pad)
    change_json(folder / "config.json", vocab_size=320)
    tokenizer = load_checkpoint(converted(folder, tmp_path)).tokenizer
    assert tokenizer.vocab_size == 320
    assert tokenizer.decode([300, *tokenizer.encode("hi"), 319]) == "hi"


def remove(name):
    return lambda folder: (folder / name).unlink()


def config(**changes):
    return lambda folder: change_json(folder / "config.json", **changes)


def tensors(change):
    return lambda folder: change_tensors(folder, change)


def tokenizer_json(change):
    def damage(folder):
        values = json.loads((folder / "tokenizer.json").read_text("utf-8"))
        change(values)
        (folder / "tokenizer.json").write_text(json.dumps(values), "utf-8")

    return damage


def write(name, text):
    return lambda folder: (folder / name).write_bytes(text)


def cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def pickled(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))


def index(weight_map):
    def damage(folder):
        (folder / "model.safetensors").unlink()
        text = json.dumps({"weight_map": weight_map})
        (folder / "model.safetensors.index.json").write_text(text)

    return damage


W = "transformer.h.0.attn.c_attn.weight"


def flip(tensors):
    tensors[W] = np.ascontiguousarray(tensors[W].T)


def untie(tensors):
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"] + np.float32(1e-3)


def swap_merges(values):
    merges = values["model"]["merges"]
    merges[0], merges[1] = merges[1], merges[0]


def unmake(values):
    vocab, merges = values["model"]["vocab"], values["model"]["merges"]
    vocab["qqq"] = vocab.pop("".join(merges.pop()))


DAMAGES = {
    "no config": (remove("config.json"), r"config\.json cannot be read .No such file"),
    "config no JSON": (write("config.json", b"{"), r"config\.json is damaged: it is no JSON"),
    "config no text": (write("config.json", b"\xff"), r"config\.json is damaged: it is no UTF-8"),
    "config a list": (write("config.json", b"[]"), r"is not a JSON object"),
    "config empty": (write("config.json", b"{}"), r"names no model_type"),
    "llama": (config(model_type="llama"), r"model_type = 'llama' and tinygpt computes 'gpt2'"),
    "relu": (config(activation_function="relu"), r"activation_function = 'relu'"),
    "exact gelu": (config(activation_function="gelu"), r"computes 'gelu_new' alone"),
    "epsilon": (config(layer_norm_epsilon=1e-6), r"layer_norm_epsilon = 1e-06"),
    "by layer": (config(scale_attn_by_inverse_layer_idx=True), r"scale_attn_by_inverse_layer_idx"),
    "upcast": (config(reorder_and_upcast_attn=True), r"reorder_and_upcast_attn = True"),
    "a head": (config(tie_word_embeddings=False), r"tie_word_embeddings = False and tinygpt"),
    "unscaled": (config(scale_attn_weights=False), r"scale_attn_weights = False"),
    "inner": (config(n_inner=99), r"n_inner = 99 and tinygpt computes 4 \* n_embd = 48"),
    "heads": (config(n_head=5), r"describes no model: n_embd is 12 and n_head is 5"),
    "sizes": (config(n_layer="2"), r"describes no model: n_layer is '2'"),
    "true": (config(n_layer=True), r"describes no model: n_layer is True"),
    "too many ids": (config(vocab_size=400_000), r"wte\.weight"),
    "other config": (config(n_layer=3), r"lacks the tensor h\.2\.attn\.c_attn\.weight"),
    "fewer layers": (config(n_layer=1), r"has the tensor 'h\.1\..*', which a GPT-2 has not"),
    "other width": (config(n_embd=24), r"wte\.weight with shape \(290, 12\) .* \(290, 24\)"),
    "no weights": (remove("model.safetensors"), r"has no model\.safetensors; fetch"),
    "a pickle": (pickled, r"but a pickle \(never opened"),
    "cut": (cut, r"is missing, damaged or no safetensors file"),
    "junk": (write("model.safetensors", b"junk" * 9), r"damaged or no safetensors file"),
    "empty": (write("model.safetensors", b""), r"damaged or no safetensors file"),
    "shard gone": (index({"wte.weight": "a.safetensors"}), r"a\.safetensors is missing"),
    "shard elsewhere": (index({"wte.weight": "../plain/x"}), r"'\.\./plain/x', not one of its"),
    "shard a list": (index({"wte.weight": []}), r"names the file \[\], not one of its"),
    "shard unnameable": (index({"wte.weight": "\ud800"}), r"is missing, damaged or no safe"),
    "shards none": (index({}), r"names no files"),
    "missing": (tensors(lambda t: t.pop(W)), r"lacks the tensor h\.0\.attn\.c_attn\.weight"),
    "turned": (tensors(flip), r"shape \(36, 12\) and its config\.json implies \(12, 36\)"),
    "unknown": (tensors(lambda t: t.update(score=t[W])), r"has the tensor 'score', which"),
    "twice": (tensors(lambda t: t.update({W[12:]: t[W]})), r"the tensor 'h\.0.*' twice"),
    "float64": (tensors(lambda t: t.update({W: t[W].astype(float)})), r"as F64 and tinygpt reads"),
    "nan": (tensors(lambda t: t.update({W: t[W] / 0 * 0})), r"values in h\.0.* that are no numb"),
    "untied": (tensors(untie), r"an output layer of its own"),
    "no vocabulary": (remove("tokenizer.json"), r"has no vocab\.json and no tokenizer\.json"),
    "wordpiece": (
        tokenizer_json(lambda v: v["model"].update(type="WordPiece")),
        r"is not a byte-pair vocabulary such as GPT-2's",
    ),
    "other cut": (
        tokenizer_json(lambda v: v.update(pre_tokenizer={"type": "Whitespace"})),
        r"cuts text in another way than GPT-2",
    ),
    "prefix space": (
        tokenizer_json(lambda v: v["pre_tokenizer"].update(add_prefix_space=True)),
        r"cuts text in another way than GPT-2",
    ),
    "no ids": (tokenizer_json(lambda v: v["model"].update(vocab=[])), r"has no ids of tokens"),
    "no pairs": (tokenizer_json(lambda v: v["model"].update(merges=[[1, 2]])), r"not pairs"),
    "byte gone": (tokenizer_json(lambda v: v["model"]["vocab"].pop("!")), r"lacks the byte 0x21"),
    "one id": (
        tokenizer_json(lambda v: v["model"]["vocab"].update({"!": 5})),
        r"gives one id to two tokens",
    ),
    "high id": (
        tokenizer_json(lambda v: v["model"]["vocab"].update({"!": 500})),
        r"has the id 500 and its model only 290 ids",
    ),
    "other order": (tokenizer_json(swap_merges), r"in another order than that of their"),
    "merge gone": (tokenizer_json(lambda v: v["model"]["merges"].pop()), r"in another order"),
    "a word added": (
        tokenizer_json(lambda v: v["added_tokens"][0].update(special=False)),
        r"adds tokens that are not special",
    ),
    "a piece of nothing": (
        tokenizer_json(unmake),
        r"no pair of its tokens makes 'qqq'",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_folder_that_is_no_gpt2_is_one_sentence_and_nothing_is_written(damage, folder, tmp_path):
    spoil, message = DAMAGES[damage]
    with np.errstate(all="ignore"):
        spoil(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        from_gpt2(folder, tmp_path / "out.h5")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400 + 2 * len(str(folder))
    assert [path.name for path in tmp_path.iterdir()] == ["plain"]


def test_what_is_there_already_stays(folder, tmp_path):
    path = converted(folder, tmp_path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"model\.h5 exists already"):
        from_gpt2(folder, path)
    with pytest.raises(CheckpointError, match="plain exists already"):
        to_gpt2(path, folder)
    assert path.read_bytes() == before
    with pytest.raises(CheckpointError, match="there is no folder"):
        from_gpt2(tmp_path / "nowhere", tmp_path / "out.h5")


@pytest.fixture
def of_characters(tmp_path):
    """A checkpoint that has no place in a GPT-2 folder."""
    path = tmp_path / "char.h5"
    config = ModelConfig(vocab_size=3, block_size=8, n_layer=1, n_head=1, n_embd=4)
    flat = order_one(config, dtype=np.float32).flat
    save_checkpoint(path, config=config, flat=flat, tokenizer=CharTokenizer("abc"), state={})
    return path


@pytest.mark.parametrize("place", ["out", "new/newer/out"])
def test_characters_have_no_place_in_a_gpt2_folder_and_none_is_left(of_characters, place):
    with pytest.raises(CheckpointError, match="the char tokenizer has no place in a GPT-2 folder"):
        to_gpt2(of_characters, of_characters.parent / place)
    assert [path.name for path in of_characters.parent.iterdir()] == ["char.h5"]


def test_a_refusal_leaves_folders_that_were_there_or_that_another_uses(of_characters, monkeypatch):
    home = of_characters.parent
    (home / "there").mkdir()

    def refuse_beside_another(folder, tokenizer):
        (folder.parent.parent / "anothers").touch()
        write_tokenizer(folder, tokenizer)

    monkeypatch.setattr("tinygpt.convert.gpt2.write_tokenizer", refuse_beside_another)
    with pytest.raises(CheckpointError):
        to_gpt2(of_characters, home / "there" / "new" / "newer" / "out")
    assert [path.name for path in (home / "there").rglob("*")] == ["new", "anothers"]


def test_a_folder_that_cannot_be_written_leaves_nothing(folder, tmp_path):
    path = converted(folder, tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"out could not be written \(Not a directory\)"):
        to_gpt2(path, tmp_path / "file" / "out")


def test_a_new_folder_may_lie_in_new_folders(folder, tmp_path):
    to_gpt2(converted(folder, tmp_path), tmp_path / "new" / "newer" / "out")
    assert [path.name for path in (tmp_path / "new" / "newer").iterdir()] == ["out"]
    assert (tmp_path / "new" / "newer" / "out" / "config.json").is_file()


def test_without_safetensors_one_sentence_says_what_to_install(folder, tmp_path, monkeypatch):
    path = converted(folder, tmp_path)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for use in (
        lambda: from_gpt2(folder, tmp_path / "out.h5"),
        lambda: to_gpt2(path, tmp_path / "out"),
    ):
        with pytest.raises(BackendError, match=r"pip install 'tinygpt\[convert\]'"):
            use()


def run(*words, cwd):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", *words],
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        timeout=120,
        check=False,
    )


def test_the_command_converts_both_ways_and_the_model_speaks(folder, tmp_path):
    there = run("tinygpt.convert", "from-gpt2", "plain", "new.h5", cwd=tmp_path)
    assert there.returncode == 0, there.stderr
    assert there.stdout.startswith("plain -> new.h5; speak with it: python -m tinygpt.generate")
    words = ("--checkpoint", "new.h5", "--prompt", "The light", "--max-new-tokens", "5")
    speaks = run("tinygpt.generate", *words, "--temperature", "0", cwd=tmp_path)
    assert speaks.returncode == 0, speaks.stderr
    back = run("tinygpt.convert", "to-gpt2", "new", "back", cwd=tmp_path)
    assert back.returncode == 0, back.stderr
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == [
        "config.json", "merges.txt", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json", "vocab.json",
    ]  # fmt: skip
    wrong = run("tinygpt.convert", "from-gpt2", "nowhere", "more.h5", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr == (
        "error: there is no folder nowhere; name one that holds a config.json\n"
    )


@pytest.mark.parametrize("words", [["sideways", "a", "b"], ["from-gpt2", "a"], []])
def test_a_wrong_command_is_usage(words, capsys):
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert "usage: python -m tinygpt.convert" in capsys.readouterr().err
