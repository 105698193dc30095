"""Loading: every file that is not whole, ours and honest gives one CheckpointError."""

import random

import h5py
import numpy as np
import pytest
from small_checkpoints import arguments

from tinygpt.checkpoint import load_checkpoint, save_checkpoint
from tinygpt.checkpoint.format import TEXTS, texts_sha256
from tinygpt.errors import CheckpointError

WTE = "params/wte"  # float32 (5, 8)


def reseal(root):
    """Give the root's texts their hash, as a forger would."""
    texts = [bytes(root.attrs[name]).decode() for name in TEXTS]
    root.attrs.create("sha256", np.bytes_(texts_sha256(texts)))


def set_text(root, name, text):
    root.attrs.create(name, np.bytes_(text))
    reseal(root)


def external_storage(root, path):
    secret = path.with_name("secret.bin")
    secret.write_bytes(bytes(160))
    del root[WTE]
    root.create_dataset(WTE, (5, 8), "<f4", external=[(str(secret), 0, 160)])


def virtual(root, path):
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as source:
        source["x"] = np.zeros((5, 8), "<f4")
    layout = h5py.VirtualLayout((5, 8), "<f4")
    layout[:] = h5py.VirtualSource(str(other), "x", (5, 8))
    del root[WTE]
    root.create_virtual_dataset(WTE, layout)


def soft_link(root, path):
    root.move(WTE, "elsewhere")
    root[WTE] = h5py.SoftLink("/elsewhere")
    del root["elsewhere"]


def soft_link_to_a_twin(root, path):
    del root[WTE]
    root[WTE] = h5py.SoftLink("/optimizer/m/wte")


def external_link(root, path):
    save_checkpoint(path.with_name("other.h5"), **arguments())
    del root[WTE]
    root[WTE] = h5py.ExternalLink("other.h5", "/params/wte")


def external_group(root, path):
    save_checkpoint(path.with_name("other.h5"), **arguments())
    del root["params"]
    root["params"] = h5py.ExternalLink("other.h5", "/params")


def replaced(*args, **options):
    def change(root, path):
        del root[WTE]
        dataset = root.create_dataset(WTE, *args, **options)
        dataset.attrs.create("layout", np.bytes_("io"))

    return change


def group_for_dataset(root, path):
    del root[WTE]
    root.create_group(WTE)


def dataset_for_group(root, path):
    del root["params/h"]
    root["params/h"] = 1.0


def deleted(name):
    def change(root, path):
        del root[name]

    return change


def added(name):
    def change(root, path):
        root[name] = 1.0

    return change


def mixed(root, path):
    replaced(data=np.zeros((5, 8), "<f8"))(root, path)


def wrong_layout(root, path):
    root["params/h/0/mlp/proj/w"].attrs.create("layout", np.bytes_("io"))


def text(name, value):
    def change(root, path):
        set_text(root, name, value)

    return change


def attribute(name, value):
    def change(root, path):
        del root.attrs[name]
        root.attrs[name] = value

    return change


def config(**changes):
    base = {"vocab_size": 5, "block_size": 4, "n_layer": 1, "n_head": 2, "n_embd": 8}

    def change(root, path):
        pairs = (base | changes).items()
        body = ", ".join(f'"{name}": {value}' for name, value in pairs if value is not None)
        set_text(root, "config", f"{{{body}}}")

    return change


HOSTILE = {
    "external storage": (external_storage, "takes its bytes from another file"),
    "virtual": (virtual, "virtual, chunked or compressed"),
    "dangling soft link": (soft_link, "a link to elsewhere"),
    "soft link": (soft_link_to_a_twin, "a link to elsewhere"),
    "external link": (external_link, "a link to elsewhere"),
    "external group": (external_group, "a link to elsewhere"),
    "huge shape": (replaced((10**6, 10**7), "<f4"), r"has shape \(1000000, 10000000\)"),
    "huge chunked shape": (replaced((10**6, 10**7), "<f4", chunks=(8, 8)), "chunked"),
    "never written": (replaced((5, 8), "<f4"), "less storage"),
    "compressed": (replaced(data=np.zeros((5, 8), "<f4"), compression="gzip"), "compressed"),
    "turned shape": (replaced(data=np.zeros((8, 5), "<f4")), "has shape"),
    "scalar": (replaced(data=np.float32(0)), "has shape"),
    "integers": (replaced(data=np.zeros((5, 8), "<i4")), "not a little-endian float"),
    "big-endian": (replaced(data=np.zeros((5, 8), ">f4")), "not a little-endian float"),
    "complex": (replaced(data=np.zeros((5, 8), "<c8")), "not a little-endian float"),
    "strings": (replaced(data=np.full((5, 8), b"abcd")), "not a little-endian float"),
    "long strings": (replaced((5, 8), h5py.string_dtype()), "not a little-endian float"),
    "two types": (mixed, "mixes <f4 and <f8"),
    "group for dataset": (group_for_dataset, "not a dataset"),
    "dataset for group": (dataset_for_group, "not a group"),
    "missing weight": (deleted("params/h/0/ln1/w"), "lacks w"),
    "missing weights": (deleted("params"), "lacks params"),
    "extra weight": (added("params/h/0/ln1/x"), "holds 3 objects and should hold 2"),
    "extra layer": (added("params/h/1"), "holds 2 objects and should hold 1"),
    "extra group": (added("payload"), "holds 3 objects and should hold 2"),
    "wrong layout": (wrong_layout, "has layout 'io' and needs 'oi'"),
    "newer": (attribute("version", 3), "format version 3.*upgrade"),
    "version 0": (attribute("version", 0), "version is 0"),
    "version text": (attribute("version", "1"), "not a whole number"),
    "version list": (attribute("version", [1, 2]), "not a whole number"),
    "foreign format": (attribute("format", np.bytes_("keras")), "another program"),
    "number as format": (attribute("format", 7), "another program"),
    "changed text": (attribute("state", np.bytes_("{}")), "SHA-256"),
    "variable-length text": (attribute("state", "{}"), "not one fixed-length text"),
    "missing text": (lambda root, path: root.attrs.pop("config"), "config is missing"),
    "not JSON": (text("config", "{"), "damaged"),
    "not ASCII": (attribute("config", np.bytes_("é".encode())), "damaged"),
    "deep JSON": (text("state", "[" * 100_000), "damaged"),
    "JSON list": (text("config", "[]"), "not an object"),
    "config with a text": (config(n_head='"2"'), "n_head is '2' and must be int"),
    "config with a bool": (config(n_layer="true"), "n_layer is True and must be int"),
    "config with a float": (config(n_embd="8.0"), "n_embd is 8.0 and must be int"),
    "config with an int": (config(recompute="1"), "recompute is 1 and must be bool"),
    "config with NaN": (config(dropout="NaN"), "JSON holds NaN"),
    "config with infinity": (config(dropout="1e999"), "dropout is inf"),
    "config with a list": (config(n_embd="[8]"), "must be int"),
    "config unknown": (config(secret="1"), "unknown setting, 'secret'"),
    "config incomplete": (config(n_head=None), "lacks n_head"),
    "config negative": (config(n_embd="-8"), "n_embd is -8"),
    "config uneven": (config(n_head="3"), "multiple of n_head"),
    "config many layers": (config(n_layer="1000000000"), "above 4,096"),
    "config huge": (config(n_embd="1000000"), "parameters and the file has"),
    "config endless": (config(n_embd="1" * 5000), "damaged"),
    "config of another shape": (config(n_embd="16"), "has shape"),
    "config too long": (text("config", " " * 70_000), "more than 65,536"),
    "tokenizer too large": (
        text("tokenizer", '{"name": "char", "characters": "abcdefg"}'),
        "7 ids and its model 5",
    ),
    "tokenizer unknown": (text("tokenizer", '{"name": "os.system"}'), "os.system"),
    "tokenizer a number": (text("tokenizer", "7"), "not an object"),
    "tokenizer odd": (text("tokenizer", '{"name": "char", "characters": 7}'), "damaged"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused(saved, kind):
    change, reason = HOSTILE[kind]
    with h5py.File(saved, "r+") as root:
        change(root, saved)
    with pytest.raises(CheckpointError, match=reason) as caught:
        load_checkpoint(saved)
    assert str(saved) in str(caught.value)
    assert ";" in str(caught.value)  # what to do follows


def test_resealing_alone_changes_nothing(saved):
    with h5py.File(saved, "r+") as root:
        config()(root, saved)
    load_checkpoint(saved, optimizer=True, verify=True)


def test_many_names_for_one_array_do_not_fill_the_memory(saved):
    with h5py.File(saved) as old:
        bare = saved.with_name("bare.h5")
        with h5py.File(bare, "w", libver=("v108", "v108")) as root:
            for name, value in old.attrs.items():
                root.attrs.create(name, value)
            old.copy("params", root)
            root["optimizer/m"] = root["params"]
            root["optimizer/v"] = root["params"]
    load_checkpoint(bare)
    with pytest.raises(CheckpointError, match="its arrays take"):
        load_checkpoint(bare, optimizer=True)


def test_a_file_without_optimiser_cannot_be_resumed(tmp_path):
    save_checkpoint(tmp_path / "a.h5", **arguments(optimizer=None))
    with pytest.raises(CheckpointError, match="no optimiser state"):
        load_checkpoint(tmp_path / "a.h5", optimizer=True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty one"),
        (b"PK\x03\x04rest", "a pickle or a zip archive"),
        (b"\x80\x02}q\x00.", "a pickle or a zip archive"),
        (b"Once upon a time", "is not an HDF5 file;"),
        (b"\x89HDF\r\n\x1a\n", "damaged"),
        (b"\x89HDF\r\n\x1a\n" + bytes(500), "damaged"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, content, reason):
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=reason):
        load_checkpoint(path)


def test_another_programs_hdf5_is_called_so(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as root:
        root["weights"] = np.zeros(3)
    with pytest.raises(CheckpointError, match="an HDF5 file of another program"):
        load_checkpoint(tmp_path / "a.h5")


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "a.h5")
    with pytest.raises(CheckpointError, match="is not a file"):
        load_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match=r"cannot be opened|no checkpoint"):
        load_checkpoint("a\0b")


def damage(original, draw):
    """Bits flipped, bytes replaced, or the end cut off."""
    data = bytearray(original)
    kind = draw.choice(["cut", "bit", "bit", "bytes"])
    if kind == "cut":
        return bytes(data[: draw.randrange(len(data))])
    for _ in range(1 if kind == "bit" else 8):
        place = draw.randrange(len(data))
        data[place] = (
            data[place] ^ (1 << draw.randrange(8)) if kind == "bit" else draw.randrange(256)
        )
    return bytes(data)


def test_a_damaged_file_is_refused_or_harmless(saved):
    original, honest = saved.read_bytes(), load_checkpoint(saved, optimizer=True)
    draw, refused = random.Random(0), 0
    for _ in range(300):
        saved.write_bytes(damage(original, draw))
        try:
            loaded = load_checkpoint(saved, optimizer=True, verify=True)
        except CheckpointError:
            refused += 1
            continue
        for name in ("flat", "m", "v"):  # the damage was in unused bytes
            assert getattr(loaded, name).tobytes() == getattr(honest, name).tobytes()
        assert loaded.state == honest.state and loaded.config == honest.config
    assert refused > 200


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_flipped_weight_is_found_when_verified(tmp_path, dtype):
    path = tmp_path / "a.h5"
    save_checkpoint(path, **arguments(optimizer=None), dtype=dtype)
    with h5py.File(path) as root:
        places = [(d.id.get_offset(), d.nbytes) for d in (root[WTE], root["params/h/0/ln2/b"])]
    original, draw = path.read_bytes(), random.Random(0)
    for offset, size in places * 20:
        data = bytearray(original)
        data[offset + draw.randrange(size)] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        load_checkpoint(path)  # silent: HDF5 has no checksum for it
        with pytest.raises(CheckpointError, match="SHA-256"):
            load_checkpoint(path, verify=True)
