"""The lessons' pictures: nothing on the map runs into something else, names are at their lines."""

import importlib.util
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

SOURCE = Path(__file__).resolve().parent.parent / "lessons" / "style.py"
spec = importlib.util.spec_from_file_location("lesson_style", SOURCE)
style = importlib.util.module_from_spec(spec)
spec.loader.exec_module(style)


def boxes_of_texts(figure):
    figure.draw_without_rendering()
    texts = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    return [(text.get_text(), text.get_window_extent()) for text in texts]


@pytest.mark.parametrize("place", style.PLACES)
def test_no_two_texts_of_the_map_overlap_and_none_is_cut(place):
    figure = style.map_figure(place)
    texts = boxes_of_texts(figure)
    assert [text for text, _ in texts].count("you are here") == 1
    for (one, box), (other, beside) in combinations(texts, 2):
        assert not box.padded(1).overlaps(beside), (one, other)
    for text, box in texts:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text


def test_the_map_refuses_a_place_that_it_does_not_have():
    with pytest.raises(ValueError, match="the map has no attic; it has tokens, batches"):
        style.draw_map("attic")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_curve_is_named_at_its_end_whenever_the_limits_are_set(when):
    _, axes = style.new_figure()
    if when == "before":
        axes.set_ylim(0, 8)
    style.draw_curves(axes, range(3), {"low": [0, 1, 2], "high": [0, 1, 6]})
    if when == "after":
        axes.set_ylim(0, 8)
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert heights == pytest.approx({"low": 2 / 8, "high": 6 / 8})


def test_names_of_curves_that_end_together_do_not_lie_on_each_other():
    figure, axes = style.new_figure()
    style.draw_curves(axes, range(3), {name: np.ones(3) for name in ("a", "b", "c")})
    for (_, box), (_, other) in combinations(boxes_of_texts(figure), 2):
        assert not box.overlaps(other)
