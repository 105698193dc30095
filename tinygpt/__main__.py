"""`python -m tinygpt` and the console script `tinygpt`: list the commands, or run one."""

import runpy
import sys

COMMANDS = {
    "generate": "speak: text from a trained model",
    "serve": "OpenAI's protocol over your own model, and a page to play on",
    "train": "train a model on your own text",
    "checkpoint": "look into a checkpoint, verify it, slim it to give it away",
    "convert": "GPT-2's published weights in, your model out to transformers",
    "evaluate": "loss, perplexity and bits per byte on held-out text",
    "data": "make text to train on: recipes, files, folders",
    "tokenize": "see how text becomes tokens, and learn a vocabulary",
    "bench": "how fast a model trains, reads and writes on this machine",
    "regression": "the gentlest first run: a small network on synthetic data",
    "classroom": "assignments: release, check, grade a class offline",
    "prove": "check every gradient against finite differences",
}


def main() -> None:
    """Run `tinygpt COMMAND …` as `python -m tinygpt.COMMAND …`."""
    from tinygpt import __version__

    arguments = sys.argv[1:]
    if arguments and arguments[0] in COMMANDS:
        command = arguments[0]
        sys.argv = [f"tinygpt {command}", *arguments[1:]]
        runpy.run_module(f"tinygpt.{command}", run_name="__main__", alter_sys=True)
    elif arguments == ["--version"]:
        sys.stdout.write(f"tinygpt {__version__}\n")
    elif not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        lines = [f"  {name:{width}}  {what}" for name, what in COMMANDS.items()]
        sys.stdout.write(
            "tinygpt: a GPT in plain NumPy.\n\ncommands (each answers --help):\n"
            + "\n".join(lines)
            + "\n\nrun one as: tinygpt COMMAND …   or: python -m tinygpt.COMMAND …\n"
        )
    else:
        sys.stderr.write(
            f"error: there is no command {arguments[0]!r}; choose one of {', '.join(COMMANDS)}\n"
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
