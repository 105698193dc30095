"""Documents and the windows that begin at them: nothing left out, nothing begun elsewhere."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinygpt.data import Batches, document_starts, whole_documents

EOT = 9
corpora = st.lists(st.lists(st.integers(0, 8), max_size=12), min_size=1, max_size=6)


def row(texts):
    """An end-of-text before the first document and after each."""
    return np.array([EOT] + [id for text in texts for id in [*text, EOT]], np.uint16)


@given(corpora)
def test_documents_are_the_texts_between_two_ends(texts):
    found = whole_documents(row(texts), EOT)
    assert [d.tolist() for d in found] == [[EOT, *text, EOT] for text in texts if text]


@given(corpora, st.integers(1, 8))
def test_windows_from_document_starts_cover_every_document_but_the_last_ones(texts, block_size):
    ids = row(texts)
    starts = document_starts(ids, EOT, block_size)
    seen = {i for start in starts for i in range(start, start + block_size)}
    # a window that would reach beyond the ids cannot be used: the tail of the text
    assert seen >= set(range(max(0, len(ids) - 1 - block_size - max(map(len, texts)))))
    last = -1
    for i, id in enumerate(ids):
        last = i if id == EOT else last
        may_begin = (i - last) % block_size == 0 and i + block_size < len(ids)
        assert (i in starts) == may_begin


def test_batches_begin_at_the_given_starts_alone_and_at_all_of_them():
    ids = np.arange(100)
    starts = np.array([0, 17, 40])
    batches = Batches(ids, block_size=5, batch_size=20, seed=1, starts=starts)
    x, y = batches.batch(0)
    assert set(x[:, 0].tolist()) == set(starts.tolist())
    np.testing.assert_array_equal(y, x + 1)
    np.testing.assert_array_equal(batches.batch(0)[0], x)
    assert (batches.batch(1)[0] != x).any()
