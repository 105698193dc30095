"""The gentlest first run: the loss falls to the noise."""

import pytest

from tinygpt import regression, train
from tinygpt.errors import ConfigError


def test_the_loss_falls_to_the_noise():
    losses = regression.train(1000, 0.05, 0)
    assert losses[0] > 0.3
    assert 0.005 < losses[-1] < 0.02


def test_the_same_seed_gives_the_same_losses():
    assert regression.train(5, 0.05, 3) == regression.train(5, 0.05, 3)
    assert regression.train(5, 0.05, 3) != regression.train(5, 0.05, 4)


def test_train_task_regression_is_the_same_run(capsys):
    regression.main(["--steps", "20", "--lr", "0.01", "--seed", "2"])
    alone = capsys.readouterr().out
    train.main(["--task", "regression", "--steps", "20", "--lr", "0.01", "--seed", "2"])
    assert capsys.readouterr().out == alone
    assert alone.startswith("step      1  loss ")


def test_task_regression_refuses_the_settings_of_a_gpt():
    with pytest.raises(ConfigError, match="no setting 'n_layer'"):
        train.main(["--task", "regression", "--n-layer", "2"])


@pytest.mark.parametrize("words", [["--steps", "0"], ["--lr", "0"], ["--lr", "nan"]])
def test_values_that_cannot_be_are_refused(words):
    with pytest.raises(ConfigError, match="steps must be from 1 to 10,000,000, lr above 0"):
        regression.main(words)


def test_a_learning_rate_that_blows_up_is_named():
    with pytest.raises(ConfigError, match=r"below 9\.0"):
        regression.main(["--lr", "9"])


def test_more_steps_than_anyone_waits_for_are_refused(monkeypatch):
    def train_for_ever(steps, lr, seed):
        raise AssertionError(f"{steps} steps were begun")

    monkeypatch.setattr(regression, "train", train_for_ever)
    with pytest.raises(ConfigError, match="steps must be from 1"):
        regression.main(["--steps", "1" + "0" * 400])
