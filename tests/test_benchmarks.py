"""The suite of benchmarks/: its protocol, its check of numbers, its tables, on toy contenders."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygpt.config import ModelConfig
from tinygpt.model import GPT
from tinygpt.params import named_views, views

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
MODULES = ("race", "report", "works", "shapes", "protocol", "inputs", "plain_step")
TOY = """
import sys
sys.path.insert(0, {folder!r})
from protocol import answer, timed
answer(timed(lambda i: None), losses={losses})
"""


@pytest.fixture
def bench(monkeypatch):
    """Imports a module of benchmarks/, as its scripts do."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def toy(bench):
    """Makes a contender that computes these losses, or dies."""

    def make(name, losses):
        code = TOY.format(folder=str(BENCHMARKS), losses=losses)
        return bench("race").Contender(name, [sys.executable, "-c", code])

    return make


def test_a_race_times_every_contender(bench, toy):
    contenders = [toy("ours", [4.0, 2.0]), toy("theirs", [4.0, 2.0001])]
    found = bench("race").race(contenders, rounds=2, steps=3)
    assert list(found["contenders"]) == ["ours", "theirs"]
    assert found["difference"] == pytest.approx(0.0001 / 4)
    for result in found["contenders"].values():
        assert 0 < result["best"] <= result["median"] and result["rss"] > 1


def test_contenders_that_compute_other_numbers_do_not_race(bench, toy):
    race = bench("race")
    with pytest.raises(race.Disagreement, match="losses of ours and theirs"):
        race.race([toy("ours", [4.0]), toy("theirs", [4.1])], rounds=1, steps=1)


def test_a_contender_that_dies_is_reported_and_the_others_race_on(bench, toy):
    found = bench("race").race([toy("ours", [1.0]), toy("theirs", "1 / 0")], rounds=1, steps=1)
    assert "ZeroDivisionError" in found["contenders"]["theirs"]["error"]
    assert found["contenders"]["ours"]["best"] > 0


def test_contenders_do_not_see_what_a_users_machine_has_not(bench, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    race = bench("race")
    assert "OPENBLAS_CORETYPE" not in race.environment()
    assert "MALLOC_TOP_PAD_" in race.environment(keep_memory=True)
    assert race.environment(kernels="Zen")["OPENBLAS_CORETYPE"] == "Zen"


def test_the_tables_show_ratios_shares_and_failures(bench):
    peaks = {"gflops": 200.0, "bandwidth": 40.0, "gflops of Haswell": 100.0}
    race = {"group": "train", "name": "toy", "tokens": 100, "flops": 1e11, "bytes": 0.0}
    race |= {"before": peaks, "after": peaks, "load": 0.5, "difference": 1e-6}
    race["contenders"] = {
        "tinygpt": {"best": 1.0, "median": 1.1, "rss": 10.0},
        "tinygpt with AVX2": {"best": 1.2, "median": 1.3, "rss": 10.0, "kernels": "Haswell"},
        "PyTorch": {"best": 1.5, "median": 1.6, "rss": 20.0},
        "absent": {"error": "No module named 'torch'"},
    }
    race["repeats"] = [race["contenders"]] * 2 + [
        race["contenders"] | {"PyTorch": {"best": 2.0, "median": 2.1, "rss": 20.0}}
    ]
    about = {"began": "now", "processor": "P", "cores": 2, "python": "3"}
    machine = about | {"removed from the environment": ["OPENBLAS_CORETYPE"]}
    found = {"machine": machine, "rounds": 1, "races": [race]}
    text = bench("report").tables(found)
    assert "| tinygpt | 1,000.0 | 1,100.0 | 100 | 1.00 | 50% | 10 |" in text
    assert "| tinygpt with AVX2 | 1,200.0 | 1,300.0 | 83 | 1.20 | 83% | 10 |" in text
    assert "| 1,000 | 1,200 | 1,500 | PyTorch | **1.50 (1.50 to 2.00)** |" in text
    assert "| 1.25 (1.25 to 1.67) | 50% |" in text
    assert "| PyTorch | 1,500.0 | 1,600.0 | 67 | 1.50 | 33% | 20 |" in text
    assert "| absent | did not run: No module named 'torch' |" in text
    assert "OPENBLAS_CORETYPE" in text


def between(page, name):
    """The lines of a page that a command wrote."""
    text = (BENCHMARKS.parent / page).read_text(encoding="utf-8")
    return text.split(f"<!-- {name} -->\n")[1].split("<!-- end -->")[0]


def test_the_pages_show_what_was_measured(bench):
    results = BENCHMARKS / "results"
    suite = json.loads((results / "suite.json").read_text())
    assert between("README.md", "suite") == "\n".join(bench("report").bar(suite)) + "\n"
    table = (results / "techniques.md").read_text(encoding="utf-8")
    assert between("lessons/guide/speed.md", "techniques") == table
    assert between("README.md", "serving") == (results / "serving.md").read_text(encoding="utf-8")


def test_plain_numpy_computes_the_same_gradients_as_tinygpt(bench):
    config = ModelConfig(vocab_size=11, block_size=6, n_layer=2, n_head=2, n_embd=8)
    model = GPT(config, dtype=np.float64)
    rng = np.random.default_rng(0)
    model.flat[...] += rng.standard_normal(model.flat.shape) * 0.1

    def plain(flat):
        return {
            name: array.T if name.endswith("mlp.proj.w") else array
            for name, array in named_views(flat, config).items()
        }

    ids, targets = rng.integers(0, 11, (2, 3, 5))
    grads = np.zeros_like(model.flat)
    loss = model.loss_and_gradients(ids, targets, views(grads, config))
    found_loss, found = bench("plain_step").loss_and_gradients(
        plain(model.flat), config, ids, targets
    )
    assert found_loss == pytest.approx(loss, rel=1e-12)
    for name, expected in plain(grads).items():
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-10 * scale + 1e-14)
