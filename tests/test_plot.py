"""The picture of a run: its two curves, its floor, its message."""

import pytest

from tinygpt.plot import draw_losses


def entry(step, loss, val_loss=None, **more):
    return {"step": step, "loss": loss, "val_loss": val_loss} | more


def curves(axes):
    return {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}


def test_the_curves_are_those_of_the_log_and_the_title_says_the_best():
    log = [entry(1, 5.0), entry(2, 3.0, 3.5), entry(3, 2.0), entry(4, 1.0, 3.75)]
    (axes,) = draw_losses(log).axes
    assert curves(axes) == {
        "training (one batch)": [5.0, 3.0, 2.0, 1.0],
        "validation (all held-out text)": [3.5, 3.75],
    }
    assert axes.get_title() == "validation loss 3.5000 at step 2"
    assert axes.get_yscale() == "linear"
    assert axes.get_xlabel() == "step" and "nats per token" in axes.get_ylabel()


def test_the_floor_is_a_line_and_the_title_says_how_far_above_it():
    log = [entry(1, 5.0, floor=0.4), entry(2, 3.0, 0.5, floor=0.4)]
    (axes,) = draw_losses(log).axes
    assert curves(axes)["floor"] == [0.4, 0.4]
    assert axes.get_yscale() == "log"
    assert axes.get_title().endswith("25.0% above that of a perfect model")


@pytest.mark.parametrize("floor", [None, "low", 0, -1.0, True])
def test_a_floor_that_is_none_is_not_drawn(floor):
    (axes,) = draw_losses([entry(1, 5.0, 4.0, floor=floor)]).axes
    assert "floor" not in curves(axes)


def test_an_empty_log_gives_an_empty_picture():
    (axes,) = draw_losses([]).axes
    assert axes.get_title() == ""
