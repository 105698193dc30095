"""From what was typed to a path, and what is said when there is nothing."""

from pathlib import Path

import pytest

from tinygpt.checkpoint import find_checkpoint
from tinygpt.errors import CheckpointError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("model.h5", "model.h5"),
        ("model", "model.h5"),
        ("checkpoints/foo", "checkpoints/foo/latest.h5"),
        ("checkpoints/foo/", "checkpoints/foo/latest.h5"),
        ("checkpoints/foo/best", "checkpoints/foo/best.h5"),
        ("checkpoints/foo/best.h5", "checkpoints/foo/best.h5"),
        ("foo", "checkpoints/foo/latest.h5"),
        ("foo/best", "checkpoints/foo/best.h5"),
    ],
)
def test_a_checkpoint_is_found_by_every_spelling(here, spec, found):
    touch("model.h5", "checkpoints/foo/latest.h5", "checkpoints/foo/best.h5")
    assert find_checkpoint(spec) == Path(found)
    assert find_checkpoint(str(here / found)) == here / found


def test_a_run_is_its_latest_then_its_final_then_its_newest_step(here):
    folder = Path("checkpoints/foo")
    touch(folder / "step9000000.h5", folder / "step10000000.h5", folder / "stepladder.h5")
    assert find_checkpoint(None, run_name="foo").name == "step10000000.h5"
    touch(folder / "final.h5")
    assert find_checkpoint(None, run_name="foo").name == "final.h5"
    touch(folder / "latest.h5")
    assert find_checkpoint(None, run_name="foo").name == "latest.h5"


def test_a_step_is_found_by_its_number(here):
    touch("checkpoints/foo/latest.h5", "checkpoints/foo/step0001000.h5")
    expected = Path("checkpoints/foo/step0001000.h5")
    assert find_checkpoint(None, run_name="foo", step=1000) == expected
    assert find_checkpoint("foo", step=1000) == expected
    with pytest.raises(CheckpointError, match=r"no checkpoint .*step0000007\.h5; .* has latest"):
        find_checkpoint(None, run_name="foo", step=7)


def test_without_a_name_the_shipped_model_is_meant(here):
    touch("checkpoints/tales.h5")
    assert find_checkpoint(None) == Path("checkpoints/tales.h5")


def test_an_error_lists_what_is_there(here):
    touch("checkpoints/foo/best.h5", "checkpoints/foo/log.jsonl", "checkpoints/tales.h5")
    with pytest.raises(CheckpointError, match=r"checkpoints/foo has best\.h5$"):
        find_checkpoint("checkpoints/foo")
    with pytest.raises(CheckpointError, match=r"checkpoints/foo has best\.h5$"):
        find_checkpoint("checkpoints/foo/worst")
    with pytest.raises(CheckpointError, match=r"checkpoints has tales\.h5, foo/$"):
        find_checkpoint("bar")
    with pytest.raises(CheckpointError, match=r"checkpoints has tales\.h5, foo/$"):
        find_checkpoint(None, run_name="bar")


@pytest.mark.parametrize("spec", ["", ".", "/", "a\0b", "x" * 5000, "nothing/at/all"])
def test_nonsense_gets_a_sentence(here, spec):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        find_checkpoint(spec)


@pytest.mark.parametrize("run_name", ["", "..", "a/b", "../../etc", "a\\b"])
def test_a_runs_name_stays_in_its_folder(here, run_name):
    with pytest.raises(CheckpointError, match="name of one folder"):
        find_checkpoint(None, run_name=run_name)


def test_two_names_or_a_step_alone_are_refused(here):
    with pytest.raises(CheckpointError, match="give one of the two"):
        find_checkpoint("a", run_name="b")
    with pytest.raises(CheckpointError, match="of which run"):
        find_checkpoint(None, step=3)
