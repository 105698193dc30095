"""Every command of the README and of the guide that it links is run, as written or shortened by
the flags of one table. What the guide's ```console blocks say that a command prints, it prints."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tinygpt import tales

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SPEAK, INSTALL, TEST, *COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()
]
PAGES = {
    path.name: path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "lessons/guide").glob("*.md"))
}


def steps(page):
    """A page's commands in their order, each with the lines that it is said to print."""
    found = []
    for kind, block in re.findall(r"```(sh|console)\n(.*?)```", page, re.S):
        for line in block.splitlines():
            if kind == "sh" or line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


SHORTER = {  # flags added to commands that would run for minutes
    "python -m tinygpt.train --data book.txt --run-name book": "--steps 20 --eval-every 10",
    "python -m tinygpt.train --run-name book --resume --steps 4000": "--stop-at 25",
    "python -m tinygpt.train --preset tiny --run-name first": "--data book.txt --steps 20",
    "python -m tinygpt.train --preset shakespeare-char-cpu --run-name shakespeare-cpu": (
        "--data book.txt --steps 3"
    ),
    "python -m tinygpt.train --preset shakespeare-char --run-name shakespeare": (
        "--data book.txt --steps 2"
    ),
    "python -m tinygpt.data tales --stories 160000 --seed 1": "--stories 30",
    "python -m tinygpt.data tales --stories 1000 --seed 2 --out data/tales-held-out.txt": (
        "--stories 3"
    ),
    "python -m tinygpt.train --preset tales --run-name tales": "--steps 2",
    "python -m tinygpt.evaluate --data tales": "--stories 3 --samples 2",
    "python -m tinygpt.evaluate --data tales --context 32 --samples 0": "--stories 2",
    "python -m tinygpt.train --init-from gpt2.h5 --data book.txt --run-name tuned --lr 1e-4": (
        "--steps 3"
    ),
    "python -m tinygpt.regression": "--steps 50",
    "python -m tinygpt.bench": "--seconds 0.1",
    "python -m tinygpt.bench --preset shakespeare-char --only train --threads 1": "--seconds 0.1",
    "python lessons/render.py 00": "--check",
    "python lessons/render.py --check": "00",
    "python lessons/render.py --twice": "00",
    "python -m tinygpt.train --data python --run-name code": "--data book.txt --steps 2",
    "python -m tinygpt.train --data book.txt --run-name letters --tokenizer char": "--steps 2",
    "python -m tinygpt.train --preset shakespeare-char-cpu --run-name like-nanogpt": (
        "--data book.txt --steps 3"
    ),
    "python -m tinygpt.train --run-name book --resume --steps 3000": "--stop-at 25",
    "python -m tinygpt.train --init-from again.h5 --data book.txt --run-name tuned --lr 1e-4": (
        "--steps 3"
    ),
}


def run(command, folder, *, fails=False):
    """Run a line of a page with this interpreter; its stdout and then its stderr."""
    words = (command + " " + SHORTER.get(command, "")).replace("python ", f"{sys.executable} ", 1)
    words = words.replace(" lessons/", f" {ROOT}/lessons/")
    result = subprocess.run(
        words, shell=True, cwd=folder, input="", capture_output=True, text=True, timeout=300
    )
    printed = result.stdout + result.stderr
    assert (result.returncode != 0) == fails, f"{words}\n{printed}"
    assert "Traceback" not in result.stderr
    return printed


def write_book(folder):
    """The text that the pages call book.txt, a small GPT-2 in its folder, and a place for runs."""
    lines = [f"The {n}th fox told the {n + 1}th hen to mind the gate.\n" for n in range(400)]
    (folder / "book.txt").write_text("".join(lines), encoding="utf-8")
    shutil.copytree(ROOT / "tests/golden/gpt2/plain", folder / "gpt2-folder")
    (folder / "checkpoints").mkdir()


def test_ci_runs_the_readmes_test_command():
    assert TEST in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


def test_the_table_of_shortened_commands_names_commands_of_the_pages():
    guide = [command for page in PAGES.values() for command, _ in steps(page)]
    assert set(SHORTER) <= {*COMMANDS, *guide}


@pytest.mark.slow
def test_every_other_command_of_the_readme_works_in_its_order(tmp_path):
    write_book(tmp_path)
    assert tales.log_prob(run(SPEAK, tmp_path).strip()) is not None
    for command in COMMANDS:
        run(command, tmp_path)
    assert (tmp_path / "checkpoints/book/loss.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_python_of_the_readme_works(tmp_path):
    code = re.search(r"```python\n(.*?)```", README, re.S)[1]
    shown = subprocess.run(
        [sys.executable, "-W", "error", "-c", code + "\nprint(logits.shape)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.endswith("(1, 4, 2048)\n")


def test_the_readme_links_every_page_of_the_guide_and_all_links_lead_somewhere():
    assert set(PAGES) <= {Path(link).name for link in re.findall(r"\]\((\S+?)\)", README)}
    for page in PAGES.values():
        for link in re.findall(r"\]\((\S+?)\)", page):
            name, _, place = link.partition("#")
            assert not name or (ROOT / "lessons/guide" / name).is_file(), link
            titles = re.findall(r"^#+ (.*)", PAGES.get(name, page), re.M)
            heads = [re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles]
            assert not place or place in heads, link


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_the_guide_works_and_prints_what_the_page_says(name, tmp_path):
    write_book(tmp_path)
    run("python -m tinygpt.train --data book.txt --run-name book", tmp_path)
    for command, lines in steps(PAGES[name]):
        printed = run(command, tmp_path, fails=any(line.startswith("error:") for line in lines))
        place = 0
        for line in lines:  # in this order, perhaps with others between; "…" is anything
            pattern = ".*".join(map(re.escape, line.rstrip("…").split("…")))
            found = re.compile(f"^{pattern}", re.M).search(printed, place)
            assert found, f"{command}\nis to print {line!r} and prints\n{printed}"
            place = found.end()


@pytest.mark.slow
def test_the_python_of_the_guide_works(tmp_path):
    code = re.search(r"```python\n(.*?)```", PAGES["generation.md"], re.S)[1]
    shown = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert shown.returncode == 0, shown.stderr
    once, *_ = shown.stdout.splitlines()
    assert shown.stdout.count(once) >= 2  # at once, and as it comes


@pytest.mark.slow
def test_the_guides_picture_is_drawn(tmp_path):
    script = ROOT / "lessons/guide/settings.py"
    subprocess.run([sys.executable, script, tmp_path / "drawn.png"], cwd=ROOT, check=True)
    assert (tmp_path / "drawn.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_readmes_first_command_installs_and_speaks_in_a_clean_folder(tmp_path):
    """Also that the wheel carries the shipped model: it is run again from an empty folder."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, tracked):
        if (ROOT / name).is_file():
            (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / "clone" / name)
    done = subprocess.run(
        INSTALL, shell=True, cwd=tmp_path / "clone", capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Once upon a time,")
    (tmp_path / "empty").mkdir()
    again = subprocess.run(
        [tmp_path / "clone/.venv/bin/python", "-m", "tinygpt.generate", "--prompt", "Long ago"],
        cwd=tmp_path / "empty",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("Long ago")
