"""Documents: the short texts of a corpus, each between two end-of-texts of one long row of ids."""

import itertools

import numpy as np
import numpy.typing as npt

from tinygpt.data.tokens import Ids


def whole_documents(ids: Ids, eot_id: int) -> list[Ids]:
    """Every document whole, from the end-of-text before it to its own, as views; no empty ones.

    >>> [document.tolist() for document in whole_documents(np.array([0, 5, 6, 0, 7, 0]), eot_id=0)]
    [[0, 5, 6, 0], [0, 7, 0]]
    """
    ends = np.flatnonzero(ids == eot_id)
    return [ids[a : b + 1] for a, b in itertools.pairwise(ends) if b > a + 1]


def document_starts(ids: Ids, eot_id: int, block_size: int) -> npt.NDArray[np.int64]:
    """Where a window of block_size + 1 ids may begin so that documents are seen from their start.

    At every end-of-text, and in a document longer than block_size every block_size ids further,
    so that no part of it is left out; never where the ids end within the window.

    >>> document_starts(np.array([0, 5, 6, 7, 0, 7, 0, 8]), eot_id=0, block_size=3)
    array([0, 3, 4])
    """
    ends = np.flatnonzero(ids == eot_id)
    starts = [np.arange(a, b, block_size) for a, b in itertools.pairwise(ends)]
    within = np.concatenate([np.empty(0, np.int64), *starts])
    return within[within + block_size < len(ids)]
