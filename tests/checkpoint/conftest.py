"""A tiny model, saved."""

import pytest
from small_checkpoints import arguments

from tinygpt.checkpoint import save_checkpoint


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.h5"
    save_checkpoint(path, **arguments())
    return path
