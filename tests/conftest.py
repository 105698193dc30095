"""What every test runs under: strict floating point, and hypothesis within a time budget."""

import os
import signal

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so would the
# processes that they start, which are to be interrupted. After a handler they begin as by default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile(
    "ci",
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture
def signals_given_back():
    """What Ctrl-C and the wish to terminate do is afterwards as before: training changes both."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def floating_point_faults_raise():
    """NaN and infinity are born loudly; underflow is how softmax says zero."""
    with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
        yield
