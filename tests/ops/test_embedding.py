"""Embedding beyond the contract: repeated ids."""

import numpy as np

from tinygpt.ops import embedding_backward, embedding_forward


def test_a_repeated_id_collects_the_gradient_of_every_place():
    w, ids = np.ones((4, 2)), np.array([[1, 1, 3], [1, 0, 3]])
    y, cache = embedding_forward(w, ids)
    dy = np.arange(12.0).reshape(y.shape)
    expected = np.array([[8, 9], [0 + 2 + 6, 1 + 3 + 7], [0, 0], [4 + 10, 5 + 11]])
    np.testing.assert_array_equal(embedding_backward(dy, cache), expected)
