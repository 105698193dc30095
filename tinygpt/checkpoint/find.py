"""From what the user typed to a checkpoint's path."""

import re
from pathlib import Path

from tinygpt.errors import CheckpointError

RUNS = Path("checkpoints")  # below the current folder
SHIPPED = "tales.h5"  # the model that comes with tinygpt


def find_checkpoint(
    spec: str | None, *, run_name: str | None = None, step: int | None = None
) -> Path:
    """The checkpoint file meant by `spec`, by `run_name` (and `step`), or else the shipped model.

    `spec` is a file, a file without its .h5, a run's folder (its latest.h5, else final.h5, else
    the newest step*.h5), a tag in one (checkpoints/NAME/best), or any of these below checkpoints/.
    Raises CheckpointError, which lists what is there instead.
    """
    if spec is not None and run_name is not None:
        raise CheckpointError(
            f"both the checkpoint {spec!r} and the run {run_name!r} are named; give one of the two"
        )
    if spec is None and run_name is None:
        if step is not None:
            raise CheckpointError(f"step {step} of which run? name it with --run-name")
        return _shipped()
    if spec is None:
        return _in_run(str(run_name), step)
    found = _first([Path(spec), RUNS / spec], step)
    if found is None:
        raise CheckpointError(_nothing_at(Path(spec), step))
    return found


def _in_run(run_name: str, step: int | None) -> Path:
    if run_name in ("", ".", "..") or re.search(r"[/\\\0]", run_name):
        raise CheckpointError(
            f"the run's name is {run_name!r}; it must be the name of one folder in {RUNS}/"
        )
    found = _first([RUNS / run_name], step)
    if found is None:
        raise CheckpointError(_nothing_at(RUNS / run_name, step))
    return found


def _first(places: list[Path], step: int | None) -> Path | None:
    for place in places:
        try:
            found = _at(place, step)
        except (OSError, ValueError):  # a name too long, or with a zero byte: no such file
            continue
        if found is not None:
            return found
    return None


def _at(place: Path, step: int | None) -> Path | None:
    if place.is_dir():
        found = _in_folder(place, step)
        if found is not None:
            return found
    if step is not None or not place.name:
        return None
    if place.exists() and not place.is_dir():
        return place
    ended = place.with_name(f"{place.name}.h5")
    return ended if ended.is_file() else None


def _in_folder(folder: Path, step: int | None) -> Path | None:
    if step is not None:
        wanted = [folder / f"step{step:07d}.h5"]
    else:
        newest = sorted(_steps(folder), reverse=True)[:1]
        wanted = [folder / "latest.h5", folder / "final.h5", *(path for _, path in newest)]
    return next((path for path in wanted if path.is_file()), None)


def _steps(folder: Path) -> list[tuple[int, Path]]:
    matches = ((re.fullmatch(r"step(\d+)\.h5", path.name), path) for path in folder.iterdir())
    return [(int(match[1]), path) for match, path in matches if match]


def _shipped() -> Path:
    """The model that speaks when none is named: the repository's, else the installed package's."""
    package = Path(__file__).resolve().parent.parent
    places = (RUNS, package / "shipped", package.parent / RUNS)  # the last: an editable install
    for path in (place / SHIPPED for place in places):
        if path.is_file():
            return path
    raise CheckpointError(
        f"there is no {RUNS / SHIPPED} here and none in the installed package; train a model with "
        "python -m tinygpt.train, or name one with --checkpoint"
    )


def _nothing_at(place: Path, step: int | None) -> str:
    wanted = f"{place}" if step is None else f"{place}/step{step:07d}.h5"
    folders = (place, place.parent, RUNS) if place.name else (RUNS,)
    for folder in folders:
        there = _contents(folder)
        if there:
            return f"there is no checkpoint {wanted}; {folder} has {', '.join(there)}"
    return (
        f"there is no checkpoint {wanted}; train one with python -m tinygpt.train, "
        "or name another with --checkpoint"
    )


def _contents(folder: Path, most: int = 12) -> list[str]:
    """Checkpoints in a folder, and runs (folders) in it that hold some."""
    try:
        entries = sorted(folder.iterdir())
        names = [path.name for path in entries if path.suffix == ".h5" and path.is_file()]
        if folder == RUNS:
            names += [f"{path.name}/" for path in entries if any(path.glob("*.h5"))]
    except (OSError, ValueError):
        return []
    return names if len(names) <= most else [*names[:most], "…"]
