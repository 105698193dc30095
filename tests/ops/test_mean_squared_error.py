"""Mean squared error beyond the contract: a worked number, and where it is least."""

import numpy as np

from tinygpt.ops import mean_squared_error_backward, mean_squared_error_forward


def test_a_worked_number_and_its_gradient():
    loss, cache = mean_squared_error_forward(np.array([1.0, 5.0]), np.array([2.0, 2.0]))
    assert type(loss) is float and loss == (1 + 9) / 2
    np.testing.assert_array_equal(mean_squared_error_backward(1.0, cache), [-1.0, 3.0])


def test_at_the_target_the_loss_and_its_gradient_are_zero():
    y = np.array([[0.5, -2.0]], np.float32)
    loss, cache = mean_squared_error_forward(y, y.copy())
    assert loss == 0.0 and not mean_squared_error_backward(2.0, cache).any()
