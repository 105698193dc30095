"""What every command line shares, and that every command answers quickly and politely."""

import subprocess
import sys

import pytest

from tinygpt.__main__ import COMMANDS
from tinygpt.commands import Parser


def run(*words):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", *words], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_gives_examples_and_loads_no_numpy(command):
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['x', '--help']\n"
        "try:\n"
        f"    runpy.run_module('tinygpt.{command}', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    print('code', end.code, 'numpy' in sys.modules, 'h5py' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert "examples:" in done.stdout
    assert done.stdout.endswith("code 0 False False\n"), done.stderr


def test_the_front_door_lists_the_commands_and_refuses_others():
    listed = run("tinygpt")
    assert listed.returncode == 0 and all(name in listed.stdout for name in COMMANDS)
    refused = run("tinygpt", "trian")
    assert refused.returncode == 2 and "'trian'" in refused.stderr
    assert run("tinygpt", "prove", "--version").stdout.startswith("tinygpt ")


def test_underscores_and_dashes_are_the_same_in_flags_but_not_in_values():
    parser = Parser("x", "…", "…")
    parser.add_argument("--top-k")
    parser.add_argument("--prompt")
    args = parser.parse_args(["--top_k=a_b", "--prompt", "--x y_z"])
    assert (args.top_k, args.prompt) == ("a_b", "--x y_z")
    assert parser.parse_args(["--prompt", "--a_rate=0.1 is"]).prompt == "--a_rate=0.1 is"


def test_a_users_mistake_is_one_sentence_and_exit_code_1():
    done = run("tinygpt.prove", "--n-embd", "7")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: n_embd is 7") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_closed_streams_are_no_traceback(closed):
    done = subprocess.run(
        f"{sys.executable} -W error -m tinygpt.prove --n-embd 7 {closed}",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "flags", [("--batch-size", "1" + "0" * 18), ("--vocab-size", "1" + "0" * 30)]
)
def test_sizes_beyond_all_memory_are_refused(flags):
    done = run("tinygpt.prove", *flags)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
