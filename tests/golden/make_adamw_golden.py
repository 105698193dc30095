"""Print the ten golden steps of lesson 10, GOLDEN in tinygpt/lesson_checks/c10.py.

    python -m venv venv-torch && venv-torch/bin/pip install torch==2.13.0
    venv-torch/bin/python tests/golden/make_adamw_golden.py

PyTorch's AdamW on the lesson's valley, (x^2 + 100 y^2) / 2 from (4, 1), in float64.
"""

import torch


def main() -> None:
    p = torch.tensor([4.0, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([p], lr=0.5, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        (0.5 * (p[0] ** 2 + 100.0 * p[1] ** 2)).backward()
        optimizer.step()
        print(f"({p[0].item():.12f}, {p[1].item():.12f}),")  # noqa: T201


if __name__ == "__main__":
    main()
