"""lessons/render.py: every failure is one sentence, notebooks are never half written, pages are
whole and need no network."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ROOT / "lessons"
NEEDED = ("jupytext", "nbclient", "nbconvert", "ipykernel")


def needs_jupyter(test):
    """Slow, so that CI runs it after the fast set, where `.[lessons]` is installed."""
    there = all(map(importlib.util.find_spec, NEEDED))
    return pytest.mark.slow(
        pytest.mark.skipif(not there, reason="needs pip install '.[lessons]'")(test)
    )


def run(*arguments, path=None, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [path, str(ROOT)]))}
    command = [sys.executable, str(LESSONS / "render.py"), *map(str, arguments)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600, **options
    )


def one_sentence(text):
    assert text.startswith("error: ") and "Traceback" not in text
    assert len(text.splitlines()) == 1, text
    return text


@pytest.fixture
def course(tmp_path, monkeypatch):
    """render.py as a module, on a folder with one lesson of one cell: write its code first."""
    pytest.importorskip("jupytext")
    spec = importlib.util.spec_from_file_location("lesson_render", LESSONS / "render.py")
    render = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(render)
    monkeypatch.setattr(render, "HERE", tmp_path)
    (tmp_path / "src").mkdir()
    render.source = tmp_path / "src" / "90_small.py"
    render.target = tmp_path / "90_small.ipynb"
    return render


@pytest.mark.parametrize("missing", ["jupytext", "nbclient", "ipykernel"])
def test_without_the_extra_a_sentence_names_it(tmp_path, missing):
    (tmp_path / f"{missing}.py").write_text("raise ModuleNotFoundError('No module of that name')")
    done = run("00", path=str(tmp_path))
    assert done.returncode == 2
    assert one_sentence(done.stderr).endswith("rendering needs pip install '.[lessons]'\n")


@needs_jupyter
def test_an_unknown_lesson_and_pages_of_some_are_refused():
    done = run("99")
    assert done.returncode == 1
    assert one_sentence(done.stderr) == "error: there is no lesson 99\n"
    done = run("--html", "pages", "00")
    assert done.returncode == 2 and "leave out NN" in done.stderr


CELL = {
    "cell_type": "markdown",
    "id": "90-000",
    "metadata": {},
    "source": "# 90",
}


@needs_jupyter
@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"nbformat": 4}',
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [3]}).encode(),
        json.dumps(
            {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{**CELL, "id": ""}]}
        ).encode(),
    ],
)
def test_a_damaged_notebook_is_one_sentence_with_the_remedy(course, damaged):
    course.target.write_bytes(damaged)
    with pytest.raises(course.LessonError) as caught:
        course.read_committed(course.target)
    says = str(caught.value)
    assert says.startswith("90_small.ipynb is damaged (") and "\n" not in says
    assert says.endswith("run python lessons/render.py 90")


@needs_jupyter
def test_a_source_that_is_no_text_is_one_sentence(course):
    course.source.write_bytes(b"# %%\n\xff")
    with pytest.raises(course.LessonError, match=r"^90_small\.py is not UTF-8: "):
        course.read_source(course.source)


@needs_jupyter
def test_an_interrupted_write_leaves_the_old_notebook(course, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    course.target.write_text("old")
    monkeypatch.setattr(course, "run_source", lambda path: (None, b"new"))
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        course.render(course.source)
    assert [path.name for path in course.HERE.iterdir() if path.is_file()] == ["90_small.ipynb"]
    assert course.target.read_text() == "old"
    monkeypatch.undo()
    monkeypatch.setattr(course, "run_source", lambda path: (None, b"new"))
    monkeypatch.setattr(course, "HERE", course.target.parent)
    course.render(course.source)
    assert course.target.read_text() == "new"


@needs_jupyter
def test_ctrl_c_ends_with_a_sentence(course, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    course.source.write_text("# %%\n1\n")
    monkeypatch.setattr(course, "render", interrupted)
    monkeypatch.setattr(sys, "argv", ["render.py"])
    assert course.main() == 130
    assert capsys.readouterr().err == (
        "stopped; every notebook is whole, the one at hand as it was\n"
    )


@needs_jupyter
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import os\nos._exit(1)", "cell 90-000: the kernel died"),
        ("while True:\n    pass", "cell 90-000 takes over 2 seconds"),
        ("1 / 0", "cell 90-000: .*ZeroDivisionError"),
        ("import sys\nprint(1, file=sys.stderr)", "cell 90-000 writes to stderr: 1"),
        ("print(object())", "cell 90-000 shows this machine: <object object at 0x"),
    ],
    ids=["dead kernel", "too long", "fails", "warns", "shows an address"],
)
def test_a_cell_that_does_not_end_well_is_told_by_its_name(course, monkeypatch, code, says):
    monkeypatch.setattr(course, "TIMEOUT", 2)
    course.source.write_text(f"# %%\n{code}\n")
    with pytest.raises(course.LessonError) as caught:
        course.render(course.source)
    assert re.match(rf"90_small\.py, {says}", str(caught.value), re.S), caught.value
    assert not course.target.exists()


@needs_jupyter
def test_a_lesson_that_differs_from_run_to_run_is_found(course):
    course.source.write_text("# %%\nimport os\nprint(os.getpid())\n")
    course.render(course.source)
    with pytest.raises(course.LessonError, match="cell 90-000: the output differs"):
        course.render(course.source, check=True)
    course.source.write_text(
        "# %%\nimport os, IPython.display as d\nd.Image(b'%d' % os.getpid(), format='png')\n"
    )
    course.render(course.source)
    course.render(course.source, check=True)  # which does not compare the bytes of pictures
    with pytest.raises(course.LessonError, match="gives other bytes, first in cell 90-000"):
        course.render(course.source, twice=True)


@needs_jupyter
@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_while_a_cell_runs_stops_the_kernel_and_leaves_the_notebook(course, tmp_path):
    course.source.write_text("# %%\nimport os\nopen('pid', 'w').write(str(os.getpid()))\n"
                             "# %%\nwhile True:\n    pass\n")  # fmt: skip
    course.target.write_text("old")
    code = (
        f"import sys; sys.path.insert(0, {str(LESSONS)!r}); sys.argv = ['render.py', '90']\n"
        f"import pathlib, render; render.HERE = pathlib.Path({str(tmp_path)!r})\n"
        "sys.exit(render.main())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True
    )
    pid = tmp_path / "pid"
    until = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()) and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=60)
    assert (child.returncode, stderr.count("\n")) == (130, 1), stderr
    assert stderr.startswith("stopped; ")
    assert course.target.read_text() == "old"
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(int(pid.read_text()), 0)
            time.sleep(0.1)


@needs_jupyter
def test_in_a_notebook_an_endless_loop_becomes_a_sentence_and_prints_are_shown(course, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    course.source.write_text(
        "# %%\nfrom tinygpt import check\n\n\ndef softmax(x):\n    print('seen', x.shape)\n"
        "    while True:\n        x = x + 1\n\n\ncheck('03.softmax', softmax, seconds=0.5)\n"
        "# %%\nprint('and the next cell runs')\n"
    )
    course.render(course.source)
    first, second = json.loads(course.target.read_text("utf-8"))["cells"]
    shown = "".join(first["outputs"][0]["text"])
    assert shown.startswith(
        "seen (1, 2)\n03.softmax is not right yet: it has not come back after 0.5"
    )
    assert "; now it is in line " in shown and "x = [[0., 1.]]" in shown
    assert second["outputs"][0]["text"] == ["and the next cell runs\n"]


@needs_jupyter
def test_rendering_a_lesson_twice_gives_the_same_bytes():
    done = run("--twice", "00")
    assert done.returncode == 0, done.stderr
    assert "00_arrays_and_shapes.ipynb: is as its source says, and a second run" in done.stderr


# ---- web pages


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages") / "deep" / "new"
    done = run("--html", folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith(f"open {folder.resolve() / 'index.html'}\n")
    return folder


@needs_jupyter
def test_every_lesson_and_text_has_a_page_that_loads_nothing(pages):
    names = {page.relative_to(pages).as_posix() for page in pages.rglob("*.html")}
    assert {f"{path.stem}.html" for path in LESSONS.glob("*.ipynb")} <= names
    assert {"index.html", "glossary.html", "guide/generation.html"} <= names
    for page in pages.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        assert "<script" not in html and "<link" not in html and "@import" not in html
        for source in re.findall(r'\bsrc="([^"]{0,40})', html):
            assert source.startswith("data:image/png;base64,"), (page.name, source)


@needs_jupyter
def test_every_link_of_the_pages_leads_somewhere(pages):
    seen = 0
    for page in pages.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        for target, anchor in re.findall(r'<a\b[^>]*href="([^"#:]*)(?:#([^":]*))?"', html):
            file = page.parent / target if target else page
            assert file.is_file(), (page.name, target)
            assert not target.endswith((".ipynb", ".md"))
            if anchor:
                assert f'id="{anchor}"' in file.read_text(encoding="utf-8"), (page.name, anchor)
            seen += 1
    assert seen > 50


@needs_jupyter
def test_a_page_shows_what_the_notebook_does(pages):
    notebook = json.loads((LESSONS / "03_softmax_and_cross_entropy.ipynb").read_text("utf-8"))
    pictures = sum(
        "image/png" in output.get("data", {})
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
    )
    html = (pages / "03_softmax_and_cross_entropy.html").read_text("utf-8")
    described = re.findall(r'<img alt="([^"]{15,})" class="" src="data:image/png;base64,', html)
    assert html.count("<img") == len(described) == pictures > 3
    assert described[0].startswith("the machine, forward and backward; you are at: loss")
    assert html.count("<details>") == 9  # three hints for each of three exercises
    assert "</summary>\n</details>" not in html  # what unfolds lies inside, not below
