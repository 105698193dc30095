"""python -m tinygpt.prove: every gradient against finite differences, printed as a table."""

import sys
from collections.abc import Sequence

from tinygpt.commands import Parser, run

EXAMPLES = """\
  python -m tinygpt.prove                                every operation, and a small model
  python -m tinygpt.prove --n-layer 3 --n-head 4 --n-embd 16
  python -m tinygpt.prove --dropout 0.2 --recompute      with every option on"""


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(
        "prove",
        "Check the hand-written gradient of every operation, and of a whole model, against finite "
        "differences in float64. Exits 1 if any error is above --tolerance.",
        EXAMPLES,
    )
    for flag, default, what in (
        ("--vocab-size", 13, "token ids"),
        ("--block-size", 7, "context length in tokens"),
        ("--n-layer", 2, "number of blocks"),
        ("--n-head", 2, "heads per block"),
        ("--n-embd", 8, "channels"),
        ("--batch-size", 3, "sequences"),
        ("--seed", 0, "seed of weights, ids and directions"),
    ):
        parser.add_argument(flag, type=int, default=default, help=f"{what} (default {default})")
    parser.add_argument("--dropout", type=float, default=0.0, help="share dropped (default 0)")
    parser.add_argument("--recompute", action="store_true", help="recompute activations")
    parser.add_argument(
        "--tolerance", type=float, default=1e-7, help="largest relative error (default 1e-7)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 0 if every gradient is right."""
    args = build_parser().parse_args(argv)
    import numpy as np

    from tinygpt.config import ModelConfig
    from tinygpt.errors import ConfigError
    from tinygpt.proofs import prove_model, prove_ops

    if not 1 <= args.batch_size <= 1000 or args.seed < 0:
        raise ConfigError(
            f"batch_size is {args.batch_size} and seed is {args.seed}; "
            "they must be from 1 to 1,000 and at least 0"
        )
    config = ModelConfig(
        vocab_size=args.vocab_size,
        block_size=args.block_size,
        n_layer=args.n_layer,
        n_head=args.n_head,
        n_embd=args.n_embd,
        dropout=args.dropout,
        recompute=args.recompute,
    )
    rng = np.random.default_rng(args.seed)
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        reports = prove_ops(rng) + prove_model(config, args.batch_size, rng)
    width = max(len(report.name) for report in reports)
    write = sys.stdout.write
    write(f"{'gradient of':{width}}  {'shape':14} {'error':>8}  worst place\n")
    for report in reports:
        error = "zero" if report.zero else f"{report.error:.1e}"
        note = "zero by symmetry" if report.zero else str(report.worst)
        wrong = "" if report.error <= args.tolerance else "  <-- WRONG"
        write(f"{report.name:{width}}  {report.shape!s:14} {error:>8}  {note}{wrong}\n")
    worst = max(reports, key=lambda report: report.error)
    write(
        f"\n{len(reports)} gradients; largest error {worst.error:.1e} ({worst.name}); "
        f"tolerance {args.tolerance:.0e}\n"
    )
    return int(not worst.error <= args.tolerance)  # a tolerance of NaN passes nothing


if __name__ == "__main__":
    run(main)
