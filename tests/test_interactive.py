"""A session: what each line does, at a terminal and from a pipe, as a process and in Python."""

import io
import os
import pty
import re
import signal
import subprocess
import sys

import pytest
from generate_process import BYTES, SEEDED, continuation, finish, make_model, start, working_folder

from tinygpt.config import SamplingConfig
from tinygpt.generation import Generation
from tinygpt.interactive import HELP, Session


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return working_folder(tmp_path_factory.mktemp("work"))


def test_a_session_goes_on_from_the_page_and_obeys_its_commands(folder):
    lines = [
        "hello", "/temperature 0", "/max-new-tokens 4", "more", "", "/reset", "hello", "//x",
        "/top-k 0", "/top-k many", "/seed -1", "/dance", "/top-k off", "/stop q", "/stop off",
        "/eos-id off", "/min-p 2", "/min-p 0.2", "/min-p off", "/presence-penalty 0.25",
        "/frequency-penalty x", "/window-hop 0", "/window-hop off", "/settings",
        "/history", "/help", "/quit", "never",
    ]  # fmt: skip
    process = start(
        folder, "--run-name", "tiny", "--interactive", "--quiet", *SEEDED, stdin=subprocess.PIPE
    )  # fmt: skip
    status, out, err = finish(process, "\n".join(lines).encode())
    first = continuation("hello")
    greedy = {"temperature": 0, "max_new_tokens": 4}
    page = f"hello{first}\nmore"
    second = continuation(page, **greedy)
    third = continuation(page + second, **greedy)
    fourth = continuation("hello", **greedy)
    fifth = continuation(f"hello{fourth}\n/x", **greedy)
    assert out == f"{first}\n{second}\n{third}\n{fourth}\n{fifth}\n"
    assert status == 0
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 7
    assert "presence_penalty=0.25" in err
    assert f"hello{fourth}\n/x{fifth}\n" in err
    assert "max_new_tokens=4" in err
    assert "/repetition-penalty" in err


def test_at_a_terminal_a_session_prompts_and_ctrl_d_leaves(folder):
    main_end, terminal = pty.openpty()
    process = start(
        folder, "--run-name", "tiny", "--interactive", *SEEDED,
        stdin=terminal, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    seen = b""
    while b"> " not in seen:
        seen += os.read(main_end, 1000)
    os.write(main_end, b"\x04")
    assert process.wait(timeout=60) == 0
    assert b"/help" in seen
    os.close(main_end)


def test_ctrl_c_stops_a_reply_and_the_session_goes_on(folder):
    process = start(
        folder, "--run-name", "tiny", "--interactive", "--seed", "3", "--max-new-tokens", "1000000",
        "--eos-id", "-1", stdin=subprocess.PIPE,
    )  # fmt: skip
    process.stdin.write(b"ab\n")
    process.stdin.flush()
    process.stdout.read(100)
    process.send_signal(signal.SIGINT)
    status, out, err = finish(process, b"/max-new-tokens 1\n/reset\nab\n")
    assert status == 0, err
    assert out.endswith("\n" + continuation("ab", max_new_tokens=1, eos_id=-1) + "\n")


def test_a_session_can_guess_ahead(folder):
    lines = b"abab\n\n/quit\n"
    greedy = ("--run-name", "tiny", "--interactive", "--quiet", "--temperature", "0")
    plain, guessed = (
        finish(start(folder, *greedy, "--dtype", "float64", *flags, stdin=subprocess.PIPE), lines)
        for flags in ((), ("--lookup", "1"))
    )
    assert plain == guessed
    assert plain[1].count("\n") >= 2


def test_ctrl_c_in_a_pipe_that_waits_for_a_line_ends_the_session(folder):
    process = start(folder, "--run-name", "tiny", "--interactive", *SEEDED, stdin=subprocess.PIPE)
    process.stdin.write(b"/help\n")
    process.stdin.flush()
    assert process.stderr.read(len(HELP)) == HELP.encode()
    process.send_signal(signal.SIGINT)
    assert finish(process) == (130, "", "")


def test_a_line_that_is_no_text_is_refused_and_the_session_goes_on(folder):
    process = start(folder, "--run-name", "tiny", "--interactive", *SEEDED, stdin=subprocess.PIPE)
    status, out, err = finish(process, b"\xff\nab\n")
    assert (status, out) == (0, continuation("ab") + "\n")
    assert err.startswith("error: the text has ") and err.count("\n") == 1


SETTINGS = {"max_new_tokens": 12, "eos_id": -1}


@pytest.fixture
def session(monkeypatch, capsys):
    """Run a session over lines; return its stdout and stderr. With `terminal` the lines come from
    a keyboard, and KeyboardInterrupt among them is Ctrl-C."""

    def session(*lines, terminal=False, prompts=None, end="\n", **options):
        out, typed = io.StringIO(), iter(lines)

        def type_line(prompt):
            line = next(typed, EOFError)
            if isinstance(line, str):
                return line
            raise line

        monkeypatch.setattr("tinygpt.interactive._at_terminal", lambda: terminal)
        monkeypatch.setattr("builtins.input", type_line)
        if not terminal:
            monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + end))
        options = {"sampling": SamplingConfig(**SETTINGS), "seed": 3, "out": out, **options}
        Session(make_model(257), BYTES, options.pop("sampling"), **options).run(prompts)
        return out.getvalue(), capsys.readouterr().err

    return session


def reply(page, number=0, **settings):
    """What reply `number` of a page is to say, and its newline."""
    settings = {"seed": 3, **SETTINGS, **settings}
    seed = settings.pop("seed")
    sampling = SamplingConfig(**settings)
    drawn = Generation(make_model(257), BYTES, page, sampling, seed=seed, sample=number)
    return "".join(drawn) + "\n"


def test_replies_are_numbered_and_each_draws_for_itself(session):
    first = reply("ab")
    second = reply("ab" + first + "cd", 1)
    assert session("ab", "cd") == (first + second, "")
    assert reply("ab" + first + "cd", 0) != second


def test_the_last_line_needs_no_newline_and_no_quit(session):
    assert session("ab", end="") == (reply("ab"), "")
    assert session(end="") == ("", "")


def test_quit_leaves_at_once_whatever_spaces_it_has(session):
    assert session("/quit ", "ab") == ("", "")


def test_prompts_of_the_command_line_are_answered_before_what_is_typed(session):
    first = reply("x")
    assert session("/history", prompts=["x"]) == (first, "x" + first)


def test_reset_empties_the_page_and_counts_replies_from_the_first(session):
    assert session("ab", "cd", "/reset", "ab")[0].endswith(reply("ab"))
    assert session("ab", "/reset", "ab") == (reply("ab") * 2, "")
    assert session("ab", "/reset", "/history")[1] == "\n"


def test_a_seed_can_be_set_and_begins_to_count_anew_and_left_off(session):
    first = reply("ab", seed=7)
    assert session("/seed 7", "ab", seed=None) == (first, "")
    page = "ab" + first + "ab"
    assert session("/seed 7", "ab", "/seed 7", "ab", seed=None)[0] == first + reply(page, seed=7)
    free = [session("/seed off", "ab")[0] for _ in range(3)]
    assert len(set(free)) > 1


def test_a_stop_text_ends_a_reply_before_it(session):
    whole = reply("ab")[:-1]
    stop = re.search(r"[!-~]{2}", whole[2:])[0]
    assert session(f"/stop {stop}", "ab") == (whole[: whole.index(stop)] + "\n", "")
    out, err = session(f"/stop {stop}", "/stop off", "ab", "/settings")
    assert out == whole + "\n"
    assert "  stop=()\n" in err


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ("/max-new-tokens 5", {"max_new_tokens": 5}),
        ("/temperature 0.1", {"temperature": 0.1}),
        ("/top-k 1", {"top_k": 1}),
        ("/top_k 1", {"top_k": 1}),  # as a setting is called in Python
        ("/top-p 0.2", {"top_p": 0.2}),
        ("/min-p 0.9", {"min_p": 0.9}),
        ("/repetition-penalty 50", {"repetition_penalty": 50.0}),
        ("/presence-penalty 50", {"presence_penalty": 50.0}),
        ("/frequency-penalty -50", {"frequency_penalty": -50.0}),
        ("/eos-id 107", {"eos_id": 107}),
        ("/window-hop 1", {"window_hop": 1}),
    ],
)
def test_each_setting_changes_the_next_reply_and_is_told(session, command, settings):
    ((name, value),) = settings.items()
    before = SamplingConfig(max_new_tokens=60)
    page, given = "abcd" * 5, {"max_new_tokens": 60, "eos_id": None}
    out, err = session(command, page, "/settings", sampling=before)
    assert out == reply(page, **{**given, **settings}) != reply(page, **given)
    assert f"  {name}={value}\n" in err


@pytest.mark.parametrize("name", ["top_k", "top_p", "min_p", "window_hop", "eos_id", "seed"])
def test_a_setting_that_may_be_off_can_be_turned_off(session, name):
    _, err = session(f"/{name.replace('_', '-')} 1", f"/{name} off", "/settings")
    assert f"  {name}={-1 if name == 'eos_id' else None}\n" in err


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("/dance", "there is no command /dance; /help lists them"),
        ("/ab", "there is no command /ab; /help lists them"),
        ("/", "there is no command /; /help lists them"),
        ("/top-k many", "top_k is 'many'; it must be a whole number"),
        ("/top-k", "top_k is ''; it must be a whole number"),
        ("/temperature warm", "temperature is 'warm'; it must be a number"),
        ("/temperature off", "temperature is 'off'; it must be a number"),
        ("/temperature nan", "temperature is nan; it must be 0 (greedy) or above"),
        ("/stop", "a stop string is empty; give at least one character"),
        ("/seed 1.5", "seed is '1.5'; it must be a whole number of at least 0, or off"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(session, command, complaint):
    out, err = session("ab", "/settings", command, "/settings", "/reset", "ab")
    assert out == reply("ab") * 2
    before, after = err.split(f"error: {complaint}\n")
    assert before == after != ""


def test_a_setting_that_does_not_suit_the_model_is_refused_when_it_is_used(session):
    out, err = session("/window-hop 17", "ab", "/window-hop off", "ab")
    assert out == reply("ab")
    assert err == "error: window_hop is 17 and the model's block_size is 16; choose from 1 to 16\n"


def test_help_lists_every_command_that_there_is(session):
    listed = set(re.findall(r"/[a-z-]+", HELP))
    assert len(listed) == 17
    for command in listed:
        assert "there is no command" not in session(command)[1]
    assert session("/help") == ("", HELP)


def test_ctrl_c_at_the_keyboard_drops_the_line_and_ctrl_d_leaves(session):
    out, err = session(KeyboardInterrupt, "ab", KeyboardInterrupt, terminal=True)
    assert out == "\n" + reply("ab") + "\n\n"
    assert err == "type a text to continue, /help for the commands\n"


def test_ctrl_c_in_a_reply_keeps_what_was_said_on_the_page(session, monkeypatch):
    said, say = [], Generation.say

    def say_three(self, token):
        if len(said) == 3:
            said.append("stopped")
            raise KeyboardInterrupt
        said.append(token)
        say(self, token)

    monkeypatch.setattr(Generation, "say", say_three)
    out, err = session("ab", "/history", terminal=True)
    kept = BYTES.decode(said[:3])
    assert out == kept + "\n\n"
    assert err.endswith(f"(stopped)\nab{kept}\n")


def test_a_page_longer_than_the_window_is_told_once_and_only_at_a_terminal(session):
    lines = ("ab" * 9, "", "/reset", "ab" * 10)
    out, err = session(*lines, terminal=True)
    told = [line for line in err.splitlines() if line.startswith("(")]
    assert told == [f"(the page has {n} tokens and the model sees its last 16)" for n in (18, 20)]
    assert session(*lines) == (out.removesuffix("\n"), "")
    assert session(*lines, terminal=True, quiet=True) == (out, "")
