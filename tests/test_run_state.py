"""What a checkpoint says of its run is believed only as far as its types go."""

import dataclasses

import pytest

from tinygpt.checkpoint import Checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.errors import CheckpointError
from tinygpt.run_state import measured_by_documents, read_run_state

STATE = {
    "train_config": dataclasses.asdict(TrainConfig(data="book.txt", windows="documents")),
    "data": {"sha256": "ab12"},
    "steps": 9, "step": 3, "optimizer_t": 3, "best_step": 2,
    "loss": 1.5, "val_loss": None, "best_val_loss": 2,
}  # fmt: skip


def saved(state):
    config = ModelConfig(vocab_size=3, block_size=2, n_layer=1, n_head=1, n_embd=2)
    return Checkpoint(config, None, None, state, None, None, "x.h5")


def changed(path, value):
    """STATE with the value at this path, or without the path."""
    name, _, inner = path.partition(".")
    new = (STATE[name] | {inner: value}) if inner else value
    return {
        key: old for key, old in (STATE | {name: new}).items() if (key, value) != (name, "gone")
    }


def test_a_state_of_ours_is_read_with_its_types():
    state = read_run_state(saved(STATE))
    assert state.config == TrainConfig(data="book.txt", windows="documents")
    assert state[1:7] == ("ab12", 9, 3, 3, 2, 1.5)
    assert state.val_loss != state.val_loss and state.best_val_loss == 2.0


@pytest.mark.parametrize("name", ["train_config", "data", "steps", "step", "optimizer_t"])
def test_what_is_missing_is_named(name):
    with pytest.raises(CheckpointError, match=r"x\.h5 was not written by tinygpt\.train"):
        read_run_state(saved(changed(name, "gone")))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("train_config", []), ("train_config.data", 0), ("train_config.val_file", ["t"]),
        ("train_config.seed", 1.5), ("train_config.steps", -1), ("train_config.lr", "fast"),
        ("train_config.windows", "nowhere"), ("train_config.foreign", 1),
        ("data", []), ("data", None), ("data.sha256", 7),
        ("steps", "abc"), ("steps", float("inf")), ("step", -5), ("step", 1.5), ("step", True),
        ("optimizer_t", "x"), ("optimizer_t", -5), ("best_step", None),
        ("workers", "two"), ("loss", "a"), ("val_loss", []), ("best_val_loss", False),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_in_one_sentence(path, value):
    with pytest.raises(CheckpointError, match=r"was not written by tinygpt\.train, or is damaged"):
        read_run_state(saved(changed(path, value)))


def test_runs_of_documents_are_known_even_by_a_state_with_other_faults():
    assert measured_by_documents(saved(changed("steps", "abc")))
    assert not measured_by_documents(saved(changed("train_config.windows", "anywhere")))
    assert not measured_by_documents(saved({"train_config": "documents"}))
    assert not measured_by_documents(saved({}))
