"""The README's ladder: what each finished run has reached, as a table with a sample.

    python benchmarks/ladder.py RUN [RUN ...]          runs in checkpoints/, made by tinygpt.train

Minutes are those of training alone (evaluation and samples not counted), from the run's log.jsonl.
"""

import json
import sys
from pathlib import Path

from tinygpt.checkpoint import find_checkpoint, load_checkpoint, load_model
from tinygpt.generation import generate_text
from tinygpt.params import parameter_count

SAMPLE = {"seed": 1, "max_new_tokens": 240, "temperature": 0.8}


def row(run: str) -> tuple[str, str]:
    """The run's row of the table, and a sample of its best model."""
    checkpoint = load_checkpoint(find_checkpoint(run))
    state, config = checkpoint.state, checkpoint.config
    log = map(json.loads, Path("checkpoints", run, "log.jsonl").read_text().splitlines())
    seconds, step = 0.0, 0
    for entry in log:
        tokens = (entry["step"] - step) * state["tokens_seen"] / state["step"]
        seconds, step = seconds + tokens / entry["tokens_per_second"], entry["step"]
    shape = f"{config.n_layer}/{config.n_head}/{config.n_embd}, T {config.block_size}"
    cells = (
        run,
        shape,
        f"{parameter_count(config) / 1e6:.2f} M",
        f"{state['tokens_seen'] / 1e6:.1f} M",
        f"{seconds / 60:.1f}",
        f"{state['val_loss']:.4f}",
        f"{state['best_val_loss']:.4f}",
    )
    model, tokenizer = load_model(find_checkpoint(f"{run}/best"))
    return f"| {' | '.join(cells)} |", generate_text(model, tokenizer, "\n", **SAMPLE)


def main() -> None:
    rows = [row(run) for run in sys.argv[1:]]
    titles = ("run", "layers/heads/width", "parameters", "tokens", "minutes", "val loss", "best")
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles), *(line for line, _ in rows)]
    sys.stdout.write("\n".join(lines) + "\n")
    for run, (_, sample) in zip(sys.argv[1:], rows, strict=True):
        sys.stdout.write(f"\n{run}:\n\n{sample}\n")


if __name__ == "__main__":
    main()
