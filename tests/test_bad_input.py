"""What a user can get wrong ends in one sentence and exit code 1, without a traceback."""

import io
import sys
from pathlib import Path

import pytest

from tinygpt import commands, run_settings, run_start
from tinygpt.config import SamplingConfig, TrainConfig
from tinygpt.errors import ConfigError
from tinygpt.interactive import _seed


@pytest.mark.parametrize(
    "error", [MemoryError("9 PiB"), NotADirectoryError(20, "Not a directory", "checkpoints/run")]
)
def test_a_command_says_one_sentence_when_disk_or_memory_refuses(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(argv: object) -> int:
        raise error

    with pytest.raises(SystemExit) as left:
        commands.run(main)
    assert left.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_a_command_prints_what_its_terminal_lacks_as_a_question_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))

    def main(argv: object) -> None:
        sys.stdout.write("é")

    with pytest.raises(SystemExit) as left:
        commands.run(main)
    assert left.value.code == 0
    assert raw.getvalue() == b"?"


@pytest.mark.parametrize("name", ["steps", "batch_size", "warmup", "seed", "threads", "n_layer"])
def test_absurdly_large_whole_numbers_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is too large"):
        TrainConfig(**{name: 10**400})


def test_epochs_beyond_counting_are_refused() -> None:
    with pytest.raises(ConfigError, match="fewer epochs"):
        run_start.schedule_length(TrainConfig(epochs=1e308), n_train=10**6)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "lr = " + "9" * 5000])
def test_hostile_settings_files_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        run_settings.read_config_file(path)


def test_an_empty_preset_or_settings_file_name_is_not_taken_for_none() -> None:
    with pytest.raises(ConfigError):
        run_settings.collect("", None, {})
    with pytest.raises(ConfigError):
        run_settings.collect(None, "", {})


def test_a_seed_of_thousands_of_digits_does_not_end_the_session() -> None:
    with pytest.raises(ConfigError, match="5000 digits"):
        _seed("9" * 5000)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"max_new_tokens": 3.5}, "max_new_tokens is 3.5; it must be a whole number"),
        ({"top_k": 2.0}, "top_k is 2.0"),
        ({"window_hop": 2.5}, "window_hop is 2.5"),
        ({"logprobs": True}, "logprobs is True"),
        ({"stop_ids": (1, 1.5)}, "stop_ids is"),
        ({"stop_ids": 5}, "stop_ids is 5; it must be a tuple"),
        ({"stop": None}, "stop is None"),
        ({"stop": (b"a",)}, "must be a tuple of texts"),
        ({"max_new_tokens": None}, "max_new_tokens is None"),
        ({"temperature": None}, "temperature is None"),
        ({"temperature": "1"}, "temperature is '1'; it must be a number"),
        ({"top_p": False}, "top_p is False"),
    ],
)
def test_sampling_settings_of_another_type_are_refused(settings, complaint):
    with pytest.raises(ConfigError, match=complaint):
        SamplingConfig(**settings)


def test_one_stop_string_need_not_be_a_tuple():
    assert SamplingConfig(stop="END").stop == ("END",)
