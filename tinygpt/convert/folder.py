"""The folder's files as they are: read whole, or refused in one sentence."""

import json
from pathlib import Path
from typing import Any

from tinygpt.errors import CheckpointError


def require(ok: bool, message: str) -> None:
    """CheckpointError with this message unless ok."""
    if not ok:
        raise CheckpointError(message)


def read_text(path: Path) -> str:
    """A text file of the folder.   Raises CheckpointError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror}); a folder as Hugging Face keeps it is needed"
        ) from error
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} is damaged: it is no UTF-8; fetch it again") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of the folder that holds an object.   Raises CheckpointError."""
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: it is no JSON; fetch it again") from error
    require(isinstance(value, dict), f"{path} is not a JSON object; fetch it again")
    return dict(value)


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
