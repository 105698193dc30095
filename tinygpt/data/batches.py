"""From one long row of ids to the (x, y) that a model learns from: y is x, one token later."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tinygpt.data.tokens import Ids
from tinygpt.errors import ConfigError, DataError

Batch = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def split_validation(ids: Ids, fraction: float = 0.1) -> tuple[Ids, Ids]:
    """(train, validation) as views: validation is the last part, as in nanoGPT.

    Raises ConfigError for a fraction outside (0, 1), DataError when a part
    would have fewer than two ids.

    >>> [part.tolist() for part in split_validation(np.arange(20))]
    [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17], [18, 19]]
    """
    if not 0 < fraction < 1:
        raise ConfigError(f"the validation fraction is {fraction}; choose it between 0 and 1")
    cut = int(len(ids) * (1 - fraction))
    if min(cut, len(ids) - cut) < 2:
        raise DataError(
            f"the text has {len(ids)} tokens, too few to hold out {fraction:.0%} for validation; "
            "give more text"
        )
    return ids[:cut], ids[cut:]


def split_texts(
    texts: Sequence[str], fraction: float = 0.1, *, whole: bool = False
) -> tuple[list[str], list[str]]:
    """(train, validation): the last characters of texts that have no ids yet.

    The cut falls between two lines, unless the last line of a text is too long for that; with
    `whole` it falls between two texts.

    >>> split_texts(["one\\n", "two\\nthree\\n" * 3], fraction=0.5)
    (['one\\n', 'two\\nthree\\ntwo\\n'], ['three\\ntwo\\nthree\\n'])
    """
    left = int(sum(map(len, texts)) * (1 - fraction))
    for i, text in enumerate(texts):
        if left < len(text):
            cut = 0 if whole else left and (text.find("\n", left - 1, -1) + 1 or left)
            return [*texts[:i], *filter(None, [text[:cut]])], [text[cut:], *texts[i + 1 :]]
        left -= len(text)
    return [], []


class Batches:
    """Random windows of a text. ids (N,), N > block_size; batch_size counts global rows.

    `starts` (n,) are the places where a window may begin; without them it is any place. Raises
    DataError when the ids are too few for one window.
    """

    def __init__(
        self,
        ids: Ids,
        block_size: int,
        batch_size: int,
        seed: int,
        *,
        starts: npt.NDArray[np.int64] | None = None,
    ) -> None:
        _require_positive(block_size=block_size, batch_size=batch_size)
        if len(ids) < block_size + 1:
            raise DataError(
                f"the text has {len(ids)} tokens and a window needs block_size + 1 = "
                f"{block_size + 1}; give more text, or lower block_size"
            )
        self.ids, self.block_size, self.batch_size, self.seed = ids, block_size, batch_size, seed
        self.starts = starts

    def batch(self, step: int) -> Batch:
        """x, y (B, T) of this step, which depend on seed and step alone: resuming needs no more."""
        rng = np.random.default_rng([self.seed, step])
        choices = len(self.ids) - self.block_size if self.starts is None else len(self.starts)
        starts = rng.integers(0, choices, size=(self.batch_size, 1))
        if self.starts is not None:
            starts = self.starts[starts]
        return _shifted(self.ids[starts + np.arange(self.block_size + 1)])


def _shifted(rows: Ids) -> Batch:
    """rows (B, T + 1) -> x, y (B, T), contiguous."""
    return (
        np.ascontiguousarray(rows[:, :-1], dtype=np.int64),
        np.ascontiguousarray(rows[:, 1:], dtype=np.int64),
    )


def _require_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{name} is {size}; it must be at least 1")
