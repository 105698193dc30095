"""Every command of the README is run, as written or shortened by the flags of one table."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SPEAK, INSTALL, TEST, *COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()
]

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
    "python -m tinygpt.train --preset python-small --run-name python-small": (
        "--data book.txt --steps 2"
    ),
    "python -m tinygpt.regression": "--steps 50",
}


def run(command, folder):
    """Run a line of the README with this interpreter; its stdout."""
    words = (command + " " + SHORTER.get(command, "")).replace("python ", f"{sys.executable} ", 1)
    result = subprocess.run(
        words, shell=True, cwd=folder, input="", capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, f"{words}\n{result.stdout}{result.stderr}"
    assert "Traceback" not in result.stderr
    return result.stdout


def test_ci_runs_the_readmes_test_command():
    assert TEST in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


def test_the_table_of_shortened_commands_names_commands_of_the_readme():
    assert set(SHORTER) <= set(COMMANDS)


@pytest.mark.slow
def test_every_other_command_of_the_readme_works_in_its_order(tmp_path):
    lines = [f"The {n}th fox told the {n + 1}th hen to mind the gate.\n" for n in range(400)]
    (tmp_path / "book.txt").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "checkpoints").mkdir()
    assert run(SPEAK, tmp_path).startswith("class Node:")
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
    assert shown.stdout.endswith("(1, 7, 257)\n")


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
    assert done.stdout.startswith("def ")
    (tmp_path / "empty").mkdir()
    again = subprocess.run(
        [tmp_path / "clone/.venv/bin/python", "-m", "tinygpt.generate", "--prompt", "import"],
        cwd=tmp_path / "empty",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("import")
