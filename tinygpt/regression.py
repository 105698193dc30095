"""`python -m tinygpt.regression`: the gentlest first run. A small network learns a curve.

Everything that training a GPT does is here, on one screen: data, forward, loss, backward, update.
"""

from collections.abc import Sequence
from typing import Any

from tinygpt.commands import Parser, run
from tinygpt.errors import ConfigError

EXAMPLES = """\
  python -m tinygpt.regression
  python -m tinygpt.regression --steps 5000 --lr 0.03 --seed 7
  python -m tinygpt.train --task regression                       the same"""

HIDDEN, POINTS = 32, 256


def train(steps: int, lr: float, seed: int) -> list[float]:
    """Fit y = sin(4x) + noise by gradient descent; return the loss before every step."""
    import numpy as np

    from tinygpt.ops import (
        gelu_backward,
        gelu_forward,
        linear_backward,
        linear_forward,
        mean_squared_error_backward,
        mean_squared_error_forward,
    )

    rng = np.random.default_rng(seed)

    # data: 256 points of a wave, with a little noise that nobody can predict (variance 0.01)
    x = rng.uniform(-1.0, 1.0, (POINTS, 1))
    target = np.sin(4.0 * x) + 0.1 * rng.standard_normal((POINTS, 1))

    # parameters: two layers, 1 -> 32 -> 1
    w1, b1 = 2.0 * rng.standard_normal((1, HIDDEN)), rng.standard_normal(HIDDEN)
    w2, b2 = rng.standard_normal((HIDDEN, 1)) / HIDDEN**0.5, np.zeros(1)

    losses = []
    for _ in range(steps):
        # forward: what the network says, and how wrong it is
        h, linear1 = linear_forward(x, w1, b1)
        a, gelu = gelu_forward(h)
        y, linear2 = linear_forward(a, w2, b2)
        loss, error = mean_squared_error_forward(y, target)
        losses.append(loss)
        if not np.isfinite(loss):
            raise ConfigError(f"the loss became {loss}; give a learning rate below {lr}")

        # backward: the same lines in reverse; each gives the gradient of what went into it
        dy = mean_squared_error_backward(1.0, error)
        da, dw2, db2 = linear_backward(dy, linear2)
        dh = gelu_backward(da, gelu)
        _, dw1, db1 = linear_backward(dh, linear1)

        # update: every parameter a little downhill
        gradients: Any = (dw1, db1, dw2, db2)
        for p, dp in zip((w1, b1, w2, b2), gradients, strict=True):
            p -= lr * dp
    return losses


def build_parser() -> Parser:
    """The flags of this command."""
    parser = Parser(
        "regression", "Teach a small network a curve: the gentlest first run.", EXAMPLES
    )
    parser.add_argument(
        "--steps", type=int, default=2000, metavar="N", help="updates (default 2000)"
    )
    parser.add_argument(
        "--lr", type=float, default=0.05, metavar="X", help="learning rate (default 0.05)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of data and weights (default 0)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Train, and print the falling loss.   Raises ConfigError."""
    given = build_parser().parse_args(argv)
    import math

    import numpy as np

    fits = 1 <= given.steps <= 10**7 and given.seed >= 0
    if not (fits and math.isfinite(given.lr) and given.lr > 0):
        raise ConfigError(
            f"steps is {given.steps}, lr {given.lr} and seed {given.seed}; steps must be from 1 to "
            "10,000,000, lr above 0 and seed at least 0"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # train notices it in the loss
        losses = train(given.steps, given.lr, given.seed)
    every = max(1, given.steps // 10)
    for step in sorted({*range(0, given.steps, every), given.steps - 1}):
        print(f"step {step + 1:6}  loss {losses[step]:.4f}")  # noqa: T201
    print("loss: mean squared error; the noise in the data alone would leave about 0.01")  # noqa: T201


if __name__ == "__main__":
    run(main)
