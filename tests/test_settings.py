"""Presets < file < flags: every setting known, typed, and written so that it reads back."""

import argparse
from dataclasses import fields, replace

import pytest

from tinygpt.config import TrainConfig
from tinygpt.errors import ConfigError
from tinygpt.presets import PRESETS
from tinygpt.run_settings import (
    GROUPS,
    add_flags,
    checked,
    collect,
    config_toml,
    given_flags,
    read_config_file,
    run_folder,
)


def parse(*words):
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return given_flags(parser.parse_args(words))


@pytest.fixture
def toml(tmp_path):
    def write(text):
        path = tmp_path / "settings.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_every_field_of_the_configuration_is_a_flag():
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(
        field.name for field in fields(TrainConfig)
    )


def test_flags_that_are_not_given_leave_no_trace():
    assert parse("--n-layer", "3", "--no-recompute") == {"n_layer": 3, "recompute": False}


def test_the_file_overrides_the_preset_and_flags_override_both(toml):
    path = toml("n_layer = 5\nlr = 2e-3\n")
    said = collect("tiny", path, parse("--lr", "0.5"))
    assert said["n_layer"] == 5
    assert said["lr"] == 0.5
    assert said["block_size"] == PRESETS["tiny"].settings["block_size"]


def test_epochs_on_the_command_line_replace_the_steps_of_a_preset():
    said = collect("tiny", None, parse("--epochs", "2"))
    assert said["epochs"] == 2.0
    assert "steps" not in said


def test_steps_and_epochs_together_are_refused():
    with pytest.raises(ConfigError, match="one or the other"):
        TrainConfig(**collect(None, None, parse("--epochs", "2", "--steps", "5")))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_configuration(name):
    config = TrainConfig(**collect(name, None, {}))
    assert config.steps is not None


def test_cuda_means_gpu(toml):
    assert collect(None, toml('device = "cuda"'), {})["device"] == "gpu"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_layers = 3", "did you mean 'n_layer'"),
        ("n_layer = 3.5", "n_layer is 3.5; it must be a whole number"),
        ("n_layer = true", "n_layer is True"),
        ('lr = "fast"', "lr is 'fast'; it must be a number"),
        ("recompute = 1", "recompute is 1; it must be true or false"),
        ("data = 7", "must be text in quotes"),
        ("lr = 1\nlr: 2", "line 2"),
        ("[model]\nn_layer = 3", "there is no setting 'model'"),
    ],
)
def test_a_wrong_file_is_refused_in_a_sentence(toml, text, message):
    with pytest.raises(ConfigError, match=message):
        read_config_file(toml(text))


def test_a_missing_file_and_one_that_is_not_text_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_config_file(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'data = "\xe9"')
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_config_file(tmp_path / "latin.toml")


def test_an_unknown_preset_names_a_close_one():
    with pytest.raises(ConfigError, match="did you mean 'tiny'"):
        collect("tiney", None, {})


def test_a_name_that_is_not_utf8_is_refused():
    with pytest.raises(ConfigError, match="not valid UTF-8"):
        checked({"data": "caf\udce9.txt"}, "command line")


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(data='a "b"\\\x7f\té.txt', lr=1e22, min_lr=1e-30, eps=1e-9, recompute=True),
        replace(TrainConfig(), epochs=0.3, val_file="held.txt"),
    ],
)
def test_config_toml_reads_back_as_the_same_configuration(toml, config):
    assert TrainConfig(**read_config_file(toml(config_toml(config)))) == config


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\\b", "a\0b"])
def test_a_run_name_that_is_no_folder_is_refused(name):
    with pytest.raises(ConfigError, match="the run's name is"):
        run_folder(name)


def test_an_empty_val_file_is_not_taken_for_none():
    with pytest.raises(ConfigError, match="val_file is empty"):
        TrainConfig(val_file="")
