"""`python -m tinygpt.generate` as a user meets it: a real process, a real checkpoint."""

import argparse
import ast
import io
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys

import pytest
from generate_process import (
    BYTES,
    SEEDED,
    continuation,
    finish,
    finish_stderr,
    make_model,
    start,
    working_folder,
)

from tinygpt import int8, panels
from tinygpt.checkpoint.__main__ import main as slim
from tinygpt.config import SamplingConfig
from tinygpt.display import show
from tinygpt.generate import main
from tinygpt.generate_flags import ALIASES, EXAMPLES, build_parser
from tinygpt.generation import Generation
from tinygpt.model import GPT


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return working_folder(tmp_path_factory.mktemp("work"))


@pytest.fixture
def say(folder, monkeypatch, capsysbinary):
    """Run the command in this process; return its stdout (text) and stderr."""
    monkeypatch.chdir(folder)

    def say(*arguments, checkpoint=("--run-name", "tiny")):
        assert main([*checkpoint, *arguments]) == 0
        captured = capsysbinary.readouterr()
        return captured.out.decode(), captured.err.decode()

    return say


def test_a_process_says_prompt_and_continuation_and_one_newline_and_nothing_else(folder):
    process = start(folder, "--run-name", "tiny", "--step", "5", "--prompt", "né", *SEEDED)
    assert finish(process) == (0, "né" + continuation("né") + "\n", "")


def test_text_comes_as_it_is_made_and_ctrl_c_keeps_it(folder):
    process = start(
        folder, "--run-name", "tiny", "--prompt", "ab", "--max-new-tokens", "1000000",
        "--eos-id", "-1", "--seed", "3",
    )  # fmt: skip
    first = process.stdout.read(200)
    process.send_signal(signal.SIGINT)
    status, rest, err = finish(process)
    assert (status, err) == (130, "")
    said = first + rest.encode()
    assert said.startswith(b"ab" + continuation("ab", eos_id=-1).encode()[:20])
    assert said.endswith(b"\n")


def test_a_reader_that_leaves_is_no_error(folder):
    process = start(
        folder, "--run-name", "tiny", "--max-new-tokens", "100000", "--eos-id", "-1",
    )  # fmt: skip
    assert process.stdout.read(1)
    process.stdout.close()
    process.stdout = None
    assert finish_stderr(process) == (0, "")


def test_help_needs_neither_numpy_nor_the_model(folder):
    check = (
        "import sys; from tinygpt.generate import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('numpy' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    out = subprocess.run(
        [sys.executable, "-W", "error", "-c", check],
        capture_output=True, text=True, env=environment, check=True,
    ).stdout  # fmt: skip
    assert out.endswith("False\n")


def test_every_flag_has_its_line_of_help_and_no_alias_is_shown():
    text = build_parser().format_help()
    flags = set(re.findall(r"--[a-z-]+", text))
    assert not flags & set(ALIASES)
    for action in build_parser()._actions:
        if not set(action.option_strings) & set(ALIASES):
            assert action.help, action.option_strings


def test_streamed_and_whole_output_are_the_same(say):
    streamed = say("--prompt", "x", *SEEDED)
    assert say("--prompt", "x", "--no-stream", *SEEDED) == streamed


def test_samples_and_prompts_are_separated_by_a_line(say):
    out, err = say("--prompt", "a", "--prompt", "b", "--num-samples", "2", *SEEDED)
    parts = out.removesuffix("\n").split("\n---\n")
    assert [part[0] for part in parts] == ["a", "a", "b", "b"]
    assert parts[0] == "a" + continuation("a")
    assert parts[2] == "b" + continuation("b")
    assert parts[1] != parts[0]
    assert err == ""


def test_samples_come_in_order_and_the_same_whatever_the_batch(say):
    flags = ("--prompt", "a", "--prompt", "bcd" * 9, "--num-samples", "3", "--quiet", *SEEDED)
    together = say(*flags)
    for size in ("1", "2"):
        assert say(*flags, "--batch-size", size) == together
    parts = together[0].removesuffix("\n").split("\n---\n")
    assert parts[0] == "a" + continuation("a")
    assert parts[3] == "bcd" * 9 + continuation("bcd" * 9)


@pytest.mark.parametrize(("flags", "rows"), [((), 5), (("--batch-size", "2"), 2)])
def test_so_many_samples_are_drawn_side_by_side(say, monkeypatch, flags, rows):
    read, forward = [], GPT.forward
    monkeypatch.setattr(
        GPT, "forward", lambda self, ids, **kw: read.append(len(ids)) or forward(self, ids, **kw)
    )
    say("--num-samples", "5", "--max-new-tokens", "2", "--eos-id", "-1", *flags)
    assert max(read) == rows


def test_without_colours_probabilities_are_listed_token_by_token(say):
    out, err = say("--prompt", "ab", "--show-probs", "--tokenizer", "bytes", *SEEDED)
    prompt, *lines = out.splitlines()
    assert (prompt, lines.pop(), err) == ("ab", "", "")
    told = [re.fullmatch(r"([01]\.\d{3})  ('.*'|\".*\")", line) for line in lines]
    assert "".join(ast.literal_eval(match[2]) for match in told) == continuation("ab")


def test_at_a_terminal_probabilities_are_coloured_and_explained(folder):
    main_end, terminal = pty.openpty()
    flags = ("--run-name", "tiny", "--show-probs", "--prompt", "ab", *SEEDED)
    process = start(folder, *flags, stdout=terminal)
    os.close(terminal)
    status, err = finish_stderr(process)
    seen = os.read(main_end, 100_000).decode().replace("\r\n", "\n")
    os.close(main_end)
    assert (status, err.count("\n")) == (0, 2)
    assert "probability of each token: \x1b[30;48;5;217m from 0 " in err
    assert re.sub(r"\x1b\[30;48;5;\d+m([^\x1b]+)\x1b\[0m", r"\1", seen) == (
        "ab" + continuation("ab") + "\n"
    )


def test_stats_are_one_line_on_stderr(say):
    plain, _ = say("--prompt", "abc", *SEEDED, "--eos-id", "-1")
    out, err = say("--prompt", "abc", *SEEDED, "--eos-id", "-1", "--stats", "--quiet")
    assert out == plain
    assert re.fullmatch(
        r"prompt: 3 tokens in [\d.]+ s \([\d,.]+ tokens/s\); "
        r"generation: 23 tokens in [\d.]+ s \([\d,.]+ tokens/s\); peak memory [\d,]+ MB\n",
        err,
    )


@pytest.mark.parametrize(
    "flags", [("--lookup", "2"), ("--draft", "checkpoints/tiny", "--draft-tokens", "3")]
)
def test_with_guesses_greedy_texts_are_the_same_and_stats_tell_how_they_fared(say, flags):
    greedy = ("--prompt", "abab", "--prompt", "b", "--temperature", "0", "--num-samples", "2")
    greedy = (*greedy, "--max-new-tokens", "30", "--eos-id", "-1", "--dtype", "float64")
    plain, _ = say(*greedy)
    out, err = say(*greedy, *flags, "--stats", "--quiet")
    assert out == plain
    told = re.fullmatch(
        r"prompt: 4 tokens in .* generation: 119 tokens in .*; "
        r"(\d+\.\d) tokens per pass, (\d+)% of guesses accepted; peak memory [\d,]+ MB\n",
        err,
    )
    assert 1 < float(told[1]) <= 4
    assert 30 < int(told[2]) <= 100


def test_draft_tokens_are_as_many_as_asked_for(say, monkeypatch):
    read, forward = [], GPT.forward
    monkeypatch.setattr(
        GPT, "forward", lambda self, ids, **kw: read.append(ids.shape) or forward(self, ids, **kw)
    )
    flags = ("--prompt", "a", "--max-new-tokens", "7", "--eos-id", "-1", "--temperature", "0")
    say(*flags, "--draft", "checkpoints/tiny", "--draft-tokens", "6", "--dtype", "float64")
    assert read == [(1, 1)] * 6 + [(1, 7)]


def test_json_tells_log_probabilities_of_the_chosen_and_the_best(say):
    out, _ = say("--prompt", "a", "--json", "--logprobs", "2", *SEEDED)
    said = json.loads(out)
    assert len(said["tokens"]) == said["token_count"]
    assert BYTES.decode([token["id"] for token in said["tokens"]]) == said["generated_text"]
    for token in said["tokens"]:
        (first, high), (second, low) = token["best"]
        assert first != second and high >= low and high >= token["logprob"]


def test_no_echo_drops_the_prompt_alone(say):
    assert say("--prompt", "abc", "--no-echo", *SEEDED)[0] == continuation("abc") + "\n"


def test_json_is_one_object_a_line(say):
    out, _ = say("--json", "--prompt", "a", "--num-samples", "2", "--max-new-tokens", "5")
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == 2
    assert list(lines[0]) == [
        "prompt", "generated_text", "token_count", "finish_reason", "seed",
    ]  # fmt: skip
    seed = lines[0]["seed"]  # nobody chose it, and it says how to have the same again
    again, _ = say("--json", "--prompt", "a", "--num-samples", "2", "--max-new-tokens", "5",
                   "--seed", str(seed))  # fmt: skip
    assert again == out
    assert (lines[0]["finish_reason"], lines[0]["token_count"]) == ("length", 5)


def test_without_a_prompt_the_model_begins(say):
    out, _ = say("--json", *SEEDED)
    assert json.loads(out)["prompt"] is None
    assert say(*SEEDED)[0] == continuation(None) + "\n"


def test_a_prompt_from_stdin_loses_its_last_newline(folder):
    process = start(
        folder, "--run-name", "tiny", "--prompt", "-", *SEEDED, stdin=subprocess.PIPE
    )  # fmt: skip
    text = "a\nb" + continuation("a\nb") + "\n"
    assert finish(process, b"a\nb\n") == (0, text, "")


def test_a_long_prompt_is_used_by_its_end_and_says_so(say):
    prompt = "abc" * 10
    out, err = say("--prompt", prompt, *SEEDED)
    assert out == prompt + continuation(prompt) + "\n"
    assert err.count("\n") == 1
    assert "30 tokens and the model sees 16" in err
    assert say("--prompt", prompt, "--quiet", *SEEDED) == (out, "")


@pytest.mark.parametrize(
    "spelling",
    [
        ("--max-tokens", "6"),
        ("--num-tokens", "6"),
        ("--length", "6"),
        ("--max_new_tokens", "6"),
        ("--max-length", "8"),  # two of them are the prompt's
    ],
)
def test_spellings_from_other_tools_mean_the_same(say, spelling):
    out, _ = say("--prompt", "ab", "--seed", "3", *spelling)
    assert out == "ab" + continuation("ab", max_new_tokens=6) + "\n"


def test_sampling_flags_arrive(say):
    flags = ("--temp", "1.5", "--top_k_tokens", "40", "--rep-penalty", "1.2", "--top-p=0.9")
    out, _ = say("--prompt", "ab", *SEEDED, *flags, "--stop", "zq", "--dtype", "float32")
    settings = {"temperature": 1.5, "top_k": 40, "repetition_penalty": 1.2, "top_p": 0.9}
    assert out == "ab" + continuation("ab", **settings) + "\n"


@pytest.mark.parametrize(
    ("flags", "settings"),
    [
        (("--min-p", "0.3"), {"min_p": 0.3}),
        (("--presence-penalty", "5"), {"presence_penalty": 5}),
        (("--frequency-penalty", "-2"), {"frequency_penalty": -2}),
        (("--window-hop", "1"), {"window_hop": 1}),
        (("--stop-id", "0", "--stop-id", "107"), {"stop_ids": (0, 107)}),
    ],
)
def test_each_setting_arrives_and_changes_the_text(say, flags, settings):
    longer = ("--prompt", "ab", "--seed", "4", "--max-new-tokens", "60", "--eos-id", "-1")
    same = {"seed": 4, "max_new_tokens": 60, "eos_id": -1}
    out, _ = say(*longer, *flags)
    assert out == "ab" + continuation("ab", **same, **settings) + "\n"
    assert out != say(*longer)[0]


def test_every_flag_has_an_example_in_its_help():
    shown = set(re.findall(r"--[a-z-]+", EXAMPLES))
    for action in build_parser()._actions:
        if action.help != argparse.SUPPRESS and action.dest not in ("help", "version"):
            assert shown & set(action.option_strings), action.option_strings


def test_every_example_in_the_help_is_a_command_that_can_be_given():
    for line in EXAMPLES.splitlines():
        words = shlex.split(re.split(r"   +", line.strip())[0].split(" > ")[0])
        build_parser().parse_args(words[words.index("tinygpt.generate") + 1 :])


CHAR = ("--checkpoint", "char.h5")
TINY = ("--run-name", "tiny")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*TINY, "--top-p", "0"), "top_p is 0.0"),
        ((*TINY, "--top-p", "2"), "top_p is 2.0"),
        ((*TINY, "--top-k", "-1"), "top_k is -1"),
        ((*TINY, "--temperature", "-1"), "temperature is -1.0"),
        ((*TINY, "--temperature", "nan"), "temperature is nan"),
        ((*TINY, "--top-p", "nan"), "top_p is nan"),
        ((*TINY, "--max-new-tokens", "0"), "max_new_tokens is 0"),
        ((*TINY, "--max-length", "2", "--prompt", "abc"), "the prompt alone has 3 tokens"),
        ((*TINY, "--num-samples", "0"), "num_samples is 0"),
        ((*TINY, "--num-samples", "10001"), "num_samples is 10001"),
        ((*TINY, "--batch-size", "0"), "batch_size is 0"),
        ((*TINY, "--min-p", "1.1"), "min_p is 1.1"),
        ((*TINY, "--min-p", "nan"), "min_p is nan"),
        ((*TINY, "--repetition-penalty", "0"), "repetition_penalty is 0.0"),
        ((*TINY, "--presence-penalty", "inf"), "presence_penalty is inf"),
        ((*TINY, "--frequency-penalty", "-101"), "frequency_penalty is -101.0"),
        ((*TINY, "--window-hop", "0"), "window_hop is 0"),
        ((*TINY, "--window-hop", "17"), "block_size is 16; choose from 1 to 16"),
        ((*TINY, "--stop-id", "257"), "a stop id is 257"),
        ((*TINY, "--json", "--logprobs", "-1"), "logprobs is -1"),
        ((*TINY, "--seed", "-3"), "seed is -3"),
        ((*TINY, "--prompt", ""), "the prompt is empty"),
        ((*TINY, "--prompt", "good", "--prompt", ""), "the prompt is empty"),
        ((*TINY, "--stop", ""), "stop string is empty"),
        ((*TINY, "--eos-id", "257"), "eos_id is 257"),
        ((*TINY, "--step", "6"), "step0000006"),
        ((*TINY, "--seed", "-3", "--interactive"), "seed is -3"),
        ((*TINY, "--prompt", "\udcff"), ""),
        ((*CHAR, "--prompt", "xyz"), "'x'"),
        ((*CHAR, "--tokenizer", "bytes", "--prompt", "abc"), "257 ids and the model 9"),
        (("--checkpoint", "absent.h5"), "absent.h5"),
        ((*TINY, "--draft", "absent.h5"), "absent.h5"),
        ((*TINY, "--draft", "char.h5"), "trained with another vocabulary"),
        ((*CHAR, "--draft", "other.h5"), "trained with another vocabulary"),
        ((*TINY, "--tokenizer", "bytes", "--draft", "char.h5"), "9 token ids and the model 257"),
        ((*TINY, "--lookup", "0"), "lookup is 0"),
        ((*TINY, "--lookup", "2", "--draft-tokens", "0"), "draft_tokens is 0"),
        (("--step", "3"), "step"),
        ((), "--checkpoint"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_1(folder, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["generate", *arguments])
    monkeypatch.setattr("tinygpt.checkpoint.find.SHIPPED", "none.h5")
    from tinygpt.commands import run

    with pytest.raises(SystemExit) as exit:
        run(main)
    out, err = capsys.readouterr()
    assert (exit.value.code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: ")
    assert words in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--temperature", "warm"),
        ("--top-k", "2.5"),
        ("--tokenizer", "morse"),
        ("--checkpoint", "a", "--run-name", "b"),
        ("--prompt", "-", "--prompt", "-"),
        ("--max-length", "9", "--max-new-tokens", "9"),
        ("--interactive", "--json"),
        ("--interactive", "--show-probs"),
        ("--interactive", "--stats"),
        ("--interactive", "--num-samples", "2"),
        ("--interactive", "--max-length", "9"),
        ("--json", "--show-probs"),
        ("--logprobs", "3"),
        ("--stop-id", "end"),
        ("--interactive", "--prompt", "-"),
        ("--draft", "a", "--lookup", "2"),
        ("--draft-tokens", "3"),
        ("--lookup", "two"),
        ("--no-such-flag",),
    ],
)
def test_wrong_usage_is_exit_code_2(capsys, arguments):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    out, err = capsys.readouterr()
    assert (exit.value.code, out) == (2, "")
    assert "error: " in err


def test_at_a_terminal_the_seed_is_told_on_stderr(folder):
    main_end, terminal = pty.openpty()
    process = start(folder, "--run-name", "tiny", *SEEDED, stdout=terminal)
    os.close(terminal)
    assert finish_stderr(process) == (0, "note: seed 3\n")
    os.close(main_end)


class Recorder(io.StringIO):
    """Remembers what had been written at every flush."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def flush(self):
        self.seen.append(self.getvalue())


def test_every_piece_is_flushed_as_it_comes():
    sampling = SamplingConfig(max_new_tokens=24)
    pieces = list(Generation(make_model(257), BYTES, "ab", sampling, seed=3))
    out = Recorder()
    sample = Generation(make_model(257), BYTES, "ab", sampling, seed=3)
    show(sample, sample, out)
    said = ["".join(pieces[:n]) for n in range(len(pieces) + 1)]
    assert len(pieces) > 3
    assert out.seen == [*said, said[-1] + "\n"]


@pytest.mark.parametrize("flags", [("--num-samples", "3"), ("--lookup", "2", "--prompt", "abab")])
def test_weights_go_into_panels_where_passes_have_a_few_tokens(say, monkeypatch, flags):
    arguments = (*flags, *SEEDED, "--dtype", "float64")
    expected = say(*arguments)
    monkeypatch.setattr(panels, "LARGE", 0)
    monkeypatch.setattr(panels, "blas_spares_small_products", lambda: True)
    packed, create = [], panels.Panels
    monkeypatch.setattr(panels, "Panels", lambda *a: packed.append(a) or create(*a))
    assert say(*arguments) == expected
    assert packed
    packed.clear()
    say(*SEEDED)  # one token at a time
    assert not packed


@pytest.mark.parametrize(
    "flags", [(), ("--lookup", "2"), ("--draft", "checkpoints/tiny"), ("--num-samples", "3")]
)
def test_int8_weights_say_what_the_numbers_they_stand_for_say(
    say, folder, tmp_path, monkeypatch, flags
):
    shared, begin = [], int8.with_workers
    monkeypatch.setattr(int8, "with_workers", lambda model: shared.append(model) or begin(model))
    small = tmp_path / "small.h5"
    slim(["slim", str(folder / "checkpoints/tiny"), str(small), "--dtype", "int8"])
    say(*SEEDED)  # what slim said goes with it
    words = ("--prompt", "abcab", *SEEDED, *flags)
    from_floats = say(*words, "--dtype", "int8")
    assert len(shared) == 1 and isinstance(shared[0], int8.Int8GPT)
    assert say(*words, "--dtype", "int8", checkpoint=("--checkpoint", str(small))) == from_floats
    expanded = say(*words, checkpoint=("--checkpoint", str(small)))
    if "--draft" not in flags:  # its proposals would be float32's
        assert expanded == from_floats
