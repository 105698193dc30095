"""Everything that depends on the platform: worker threads, BLAS threads, the allocator, files.

NumPy releases the interpreter lock inside ufuncs and BLAS, so plain Python threads with a
one-thread BLAS run at the speed of the cores.
"""

import contextlib
import contextvars
import ctypes
import errno
import functools
import glob
import math
import mmap
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Any, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController, threadpool_info

from tinygpt.errors import ConfigError

T = TypeVar("T")
R = TypeVar("R")

# glibc's mallopt parameters and the values that keep freed arrays in the process: mmap threshold
# (glibc before 2.35 refuses more than 32 MB, so that comes first), trim threshold, top pad
_KEEP = ((-3, 32 << 20), (-3, 1 << 30), (-1, (1 << 31) - 1), (-2, 64 << 20))

# a temporary file that nobody wrote to for so long was left by a killed process
STALE_SECONDS = 600


def default_workers() -> int:
    """The cores that this process may use: those it may run on, or a container's share of them."""
    may_run_on = getattr(os, "sched_getaffinity", None)
    cores = len(may_run_on(0)) if may_run_on else os.cpu_count() or 1
    return min(cores, _container_cores() or cores)


def _container_cores() -> int | None:
    """The cores' worth of time that a Linux container has, rounded up; None without a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no such file, or "max": no limit
        return None


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory for the next array; True if it listened to everything.

    Otherwise every big array goes back to the kernel at each step and is paged in anew: a quarter
    of a small training step. Elsewhere than on glibc this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    listened = [mallopt(name, value) for name, value in _KEEP]
    return all(listened)


@functools.cache
def blas_spares_small_products() -> bool:
    """Does NumPy's BLAS multiply small matrices without copying them first?

    OpenBLAS does so with its kernels for AVX-512, which it names after Intel's processors (also
    on AMD's).
    """
    return any(
        blas.get("internal_api") == "openblas"
        and blas.get("architecture") in ("SkylakeX", "Cooperlake", "SapphireRapids")
        for blas in threadpool_info()
    )


@functools.cache
def _blas() -> list[Any]:
    """The BLAS libraries of this process: looking for them takes longer than a product."""
    return [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]


@contextlib.contextmanager
def blas_threads(n: int) -> Iterator[None]:
    """Let BLAS have n threads of its own, until the block ends."""
    before = [blas.get_num_threads() for blas in _blas()]
    for blas in _blas():
        blas.set_num_threads(n)
    try:
        yield
    finally:
        for blas, threads in zip(_blas(), before, strict=True):
            blas.set_num_threads(threads)


class WorkerPool:
    """`n` threads, the caller's among them, until `close()`.

    The others wait at queues, so that waking them takes microseconds. Raises ConfigError when n
    is below 1, or the system does not give so many threads.
    """

    def __init__(self, n: int) -> None:
        if n < 1:
            raise ConfigError(f"a pool of {n} threads cannot work; give at least 1")
        self.n = n
        self._queues: list[SimpleQueue[Callable[[], None] | None]] = []
        self._threads: list[threading.Thread] = []
        for _ in range(n - 1):
            queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
            thread = threading.Thread(target=_serve, args=(queue,), daemon=True)
            try:
                thread.start()
            except RuntimeError:
                self.close()
                raise ConfigError(
                    f"the system does not start {n} threads; choose fewer threads"
                ) from None
            self._queues.append(queue)
            self._threads.append(thread)

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """[function(item) for item in items], side by side: worker w does every n-th from the
        w-th on. Each has a one-thread BLAS meanwhile; a single item has BLAS with n threads.

        After an exception nobody begins another item. It is raised once all have ended, so that
        nothing runs on behind the caller's back: Ctrl-C first, then by the order of items.
        NumPy's error settings live in the context, so each worker runs in a copy of the caller's.
        """
        items = list(items)
        # subtle: more threads of BLAS than cores wait for each other, tens of times as long
        with blas_threads(1 if len(items) > 1 else min(self.n, default_workers())):
            return self._map(function, items)

    def _map(self, function: Callable[[T], R], items: list[T]) -> list[R]:
        results: dict[int, R] = {}
        errors: dict[int, BaseException] = {}
        started: list[int] = []  # both filled by the others: an interrupted line of ours loses none
        done: list[int] = []
        ended: SimpleQueue[None] = SimpleQueue()

        def share(worker: int) -> None:
            for i in range(worker, len(items), self.n):
                if errors:
                    return
                try:
                    results[i] = function(items[i])
                except BaseException as error:
                    errors[i] = error

        def share_of_another(context: contextvars.Context, worker: int) -> None:
            started.append(worker)
            context.run(share, worker)
            done.append(worker)
            ended.put(None)

        asked, begun = 0, False
        while True:
            try:
                if not begun:
                    begun = True
                    for worker, queue in enumerate(self._queues[: max(0, len(items) - 1)], 1):
                        queue.put(partial(share_of_another, contextvars.copy_context(), worker))
                        asked += 1
                    share(0)
                while len(done) < max(asked, len(started)):
                    ended.get()
                break
            except KeyboardInterrupt as error:  # wherever it came, back to waiting for the others
                errors[-1] = error
        if errors:
            raise errors[min(errors)]
        return [results[i] for i in range(len(items))]

    def close(self) -> None:
        """End the threads; `map` then works alone."""
        for queue in self._queues:
            queue.put(None)
        for thread in self._threads:
            thread.join()
        self.n, self._queues, self._threads = 1, [], []

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _serve(queue: "SimpleQueue[Callable[[], None] | None]") -> None:
    while (job := queue.get()) is not None:
        job()
        del job  # or the arrays that it works on would live until the next one


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[IO[bytes]]:
    """A temporary file beside `path` that takes its place when the block ends well.

    Else it is removed and a file already at `path` stays. Missing folders are made, and a symbolic
    link stays one: what it points to is replaced. Raises OSError, also for a folder or a device.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        error = errno.EISDIR if path.is_dir() else errno.EINVAL
        raise OSError(error, "Is a directory" if path.is_dir() else "not a file", str(path))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    try:
        with open(temporary, "xb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        replace_file(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _sweep(path: Path) -> None:
    """Remove what killed processes left beside `path`, but not what another now writes."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > STALE_SECONDS:
                leftover.unlink()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """The block alone holds the lock on the file at `path`; False when another holds it already.

    The lock goes with the process, however that ends; the file stays, empty. Where the file system
    knows no locks, nobody is kept out. Raises OSError when the file cannot be made.
    """
    with open(path, "ab") as file:
        alone = True
        try:
            _lock(file.fileno())
        except (BlockingIOError, PermissionError):  # as Linux and macOS say it, and Windows
            alone = False
        except OSError:  # some network file systems refuse
            pass
        yield alone


def _lock(handle: int) -> None:
    """Lock an open file, without waiting, until it is closed."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def replace_file(temporary: Path, path: Path) -> None:
    """Put a finished temporary file in the place of `path`, at once or not at all."""
    os.replace(temporary, path)
    sync_folder(path.parent)


def mapped_files_can_be_replaced() -> bool:
    """Can a file that is mapped into memory be replaced or removed? Windows refuses.

    Elsewhere the map keeps the old file's bytes for as long as it lives.
    """
    return sys.platform != "win32"


def fetch_pages(mapped: npt.NDArray[Any]) -> None:
    """Read a byte of every page of a file mapped as an array (n,), behind the caller's back.

    A page comes when it is first touched, and to wait for all of them in the first product takes
    longer than the product: so they come while the caller still has other things to do.
    """
    every_page = mapped.view(np.uint8)[:: mmap.PAGESIZE]
    threading.Thread(target=every_page.max, daemon=True).start()


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where folders can be opened (not Windows)."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems refuse
            os.fsync(handle)
    finally:
        os.close(handle)


def peak_memory() -> int | None:
    """The most bytes of memory that this process has held, or None where that is not known."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts in bytes


def memory_available() -> int | None:
    """Bytes of memory that can be had now, or None where the platform does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
