"""From a Hugging Face folder to a checkpoint, and back: whole, or not at all."""

import contextlib
import secrets
import shutil
from pathlib import Path

from tinygpt.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tinygpt.convert.architecture import config_values, read_config
from tinygpt.convert.folder import require, write_json
from tinygpt.convert.vocabulary import read_tokenizer, write_tokenizer
from tinygpt.convert.weights import import_safetensors, read_weights, write_weights
from tinygpt.errors import CheckpointError
from tinygpt.threads import replace_file


def from_gpt2(folder: Path, path: Path) -> None:
    """Write the GPT-2 in `folder` as the checkpoint `path`, float32.

    Raises CheckpointError when `path` exists, or the folder is not a GPT-2 that we compute;
    BackendError without safetensors.
    """
    import_safetensors()
    require(not path.exists(), f"{path} exists already; give another name, or move it away")
    require(folder.is_dir(), f"there is no folder {folder}; name one that holds a config.json")
    config = read_config(folder)
    flat = read_weights(folder, config)  # first: its shapes show what config.json says to be true
    save_checkpoint(
        path,
        config=config,
        tokenizer=read_tokenizer(folder, config.vocab_size),
        flat=flat,
        state={"converted_from": folder.resolve().name},
    )


def to_gpt2(checkpoint: Path, folder: Path) -> None:
    """Write a checkpoint as a folder that transformers loads: `folder`, which must be new.

    Missing folders above it are made, and taken away again where it cannot be written. Raises
    CheckpointError when it exists, or the checkpoint cannot be read or its tokenizer is of
    characters; BackendError without safetensors.
    """
    safetensors = import_safetensors()
    require(not folder.exists(), f"{folder} exists already; give another name, or move it away")
    loaded = load_checkpoint(checkpoint, verify=True)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    missing = [above for above in folder.parents if not above.exists()]  # the innermost first
    try:
        temporary.mkdir(parents=True)
        _write(temporary, loaded)
        replace_file(temporary, folder)
    except (OSError, safetensors.SafetensorError) as error:
        cause = getattr(error, "strerror", None) or error
        raise CheckpointError(
            f"{folder} could not be written ({cause}); make room or choose another place"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        for above in missing:
            with contextlib.suppress(OSError):  # it holds the new folder, or what others put there
                above.rmdir()


def _write(folder: Path, loaded: Checkpoint) -> None:
    write_tokenizer(folder, loaded.tokenizer)
    write_json(folder / "config.json", config_values(loaded.config, loaded.tokenizer.eot_id))
    write_weights(folder, loaded.flat, loaded.config)
