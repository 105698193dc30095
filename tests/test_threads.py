"""Workers, and what differs between platforms, on platforms that are faked where they must be."""

import ctypes
import errno
import mmap
import os
import signal
import sys
import threading
import time
import types
import weakref

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from tinygpt import threads
from tinygpt.errors import ConfigError
from tinygpt.threads import (
    WorkerPool,
    blas_threads,
    keep_freed_memory,
    locked,
    replace_file,
    sync_folder,
    written_beside,
)


@pytest.mark.parametrize("n", [1, 3])
def test_a_pool_maps_in_order(n):
    with WorkerPool(n) as pool:
        assert pool.map(lambda i: i * i, range(7)) == [i * i for i in range(7)]


def threads_of_blas():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


def test_a_pool_leaves_blas_one_thread_for_each_of_several_items_and_all_for_one():
    before = threads_of_blas()
    with WorkerPool(2) as first, WorkerPool(2) as second:
        assert threads_of_blas() == before  # it is set while a map runs, and no longer
        assert first.map(lambda _: set(threads_of_blas()) <= {1}, range(2)) == [True, True]
        assert second.map(lambda _: set(threads_of_blas()) <= {2}, range(1)) == [True]
        first.close()  # in the order of opening
    assert threads_of_blas() == before


def test_blas_has_as_many_threads_as_it_is_told_and_its_own_again_after():
    before = threads_of_blas()
    with blas_threads(1):
        assert set(threads_of_blas()) <= {1}
        with blas_threads(2):
            assert set(threads_of_blas()) <= {2}
        assert set(threads_of_blas()) <= {1}
    assert threads_of_blas() == before


def test_an_exception_is_raised_after_every_worker_has_ended():
    begun, done = threading.Event(), threading.Event()

    def work(i):
        if i == 0:
            begun.wait(10)
            raise ValueError("the first fails at once")
        begun.set()
        time.sleep(0.05)
        done.set()

    with WorkerPool(2) as pool:
        with pytest.raises(ValueError, match="at once"):
            pool.map(work, range(2))
        assert done.is_set()


@pytest.mark.parametrize("asleep", ["working", "waiting"])
def test_ctrl_c_is_raised_when_all_have_ended_and_nobody_begins_more(asleep):
    ended, begun = [], []

    def work(i):
        begun.append(i)
        if i == 1:  # the other thread: the caller is in its own share, or waits for this one
            time.sleep(0.3)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(10 if i == 0 and asleep == "working" else 0.02)
        ended.append(i)

    with WorkerPool(2) as pool:
        with pytest.raises(KeyboardInterrupt):
            pool.map(work, range(400 if asleep == "working" else 2))
        assert 1 in ended
        assert set(begun) <= {0, *ended}
        assert len(begun) < 200
        assert pool.map(abs, [-1, -2]) == [1, 2]


def test_a_worker_that_exits_does_not_take_its_thread_with_it():
    with WorkerPool(2) as pool:
        with pytest.raises(SystemExit):
            pool.map(lambda i: sys.exit(i) if i else i, range(2))
        assert pool.map(abs, [-1, -2]) == [1, 2]


def test_a_closed_pool_works_alone():
    with WorkerPool(3) as pool:
        pass
    assert pool.map(abs, [-1, -2, -3]) == [1, 2, 3]


def test_a_pool_lets_go_of_what_it_worked_on():
    class Big:
        pass

    with WorkerPool(2) as pool:
        big = Big()
        gone = weakref.ref(big)
        pool.map(lambda _, kept=big: None, range(2))
        del big
        deadline = time.monotonic() + 10
        while gone() is not None and time.monotonic() < deadline:
            time.sleep(0.001)
        assert gone() is None


def test_of_several_exceptions_the_first_in_order_is_raised():
    def work(i):
        time.sleep(0.02 * (2 - i))
        raise ValueError(f"item {i}")

    with WorkerPool(2) as pool, pytest.raises(ValueError, match="item 0"):
        pool.map(work, range(3))


@pytest.mark.parametrize("overflows", [0, 1])  # the caller's share, the other's
def test_floating_point_errors_raise_in_workers_as_in_the_caller(overflows):
    items = [np.float64(0), np.float64(0)]
    items[overflows] = np.float64(1e4)
    with WorkerPool(2) as pool, np.errstate(over="raise"), pytest.raises(FloatingPointError):
        pool.map(np.exp, items)


def test_a_closed_pool_leaves_no_thread():
    before = set(threading.enumerate())
    with WorkerPool(3) as pool:
        pool.map(abs, range(3))
        workers = set(threading.enumerate()) - before
        assert len(workers) == 2
    for thread in workers:
        thread.join(10)
        assert not thread.is_alive()


def test_macos_and_windows_have_no_glibc_to_tell(monkeypatch):
    def no_library(name):
        raise AssertionError("must not be opened")

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    for platform in ("darwin", "win32"):
        monkeypatch.setattr(threads.sys, "platform", platform)
        assert keep_freed_memory() is False


def test_a_linux_without_mallopt_is_left_alone(monkeypatch):
    monkeypatch.setattr(threads.sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())  # musl has no mallopt
    assert keep_freed_memory() is False


def test_cores_are_counted_where_affinity_is_unknown(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert threads.default_workers() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert threads.default_workers() == 1


def test_windows_cannot_open_folders_and_is_not_asked_to(monkeypatch, tmp_path):
    def refuse(*args):
        raise PermissionError("Windows opens no folders")

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(threads.sys, "platform", "win32")
    sync_folder(tmp_path)
    monkeypatch.setattr(threads.sys, "platform", "linux")
    with pytest.raises(PermissionError):
        sync_folder(tmp_path)


def test_a_file_is_replaced_whole(tmp_path):
    old, new = tmp_path / "a", tmp_path / "b"
    old.write_text("old")
    new.write_text("new")
    replace_file(new, old)
    assert old.read_text() == "new" and not new.exists()


def test_a_link_stays_one_and_what_it_points_to_is_written(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    with written_beside(link) as file:
        file.write(b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"


@pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
def test_a_device_is_not_replaced_by_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="not a file"), written_beside(pipe):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"] and pipe.is_fifo()


def test_a_lock_keeps_others_out_until_the_block_ends(tmp_path):
    path = tmp_path / ".lock"
    with locked(path) as first, locked(path) as second:
        assert (first, second) == (True, False)
    with locked(path) as again:
        assert again
    assert path.read_bytes() == b""


def test_a_lock_on_windows_is_on_one_byte_and_does_not_wait(monkeypatch, tmp_path):
    asked = []

    def locking(handle, mode, n_bytes):
        asked.append((mode, n_bytes))
        if len(asked) > 1:
            raise PermissionError(13, "Permission denied")  # as Windows says that another holds it

    fake = types.SimpleNamespace(LK_NBLCK=2, locking=locking)
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    monkeypatch.setattr(threads.sys, "platform", "win32")
    with locked(tmp_path / ".lock") as first, locked(tmp_path / ".lock") as second:
        assert (first, second) == (True, False)
    assert asked == [(2, 1), (2, 1)]


def test_a_file_system_without_locks_keeps_nobody_out(monkeypatch, tmp_path):
    def refuse(handle):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(threads, "_lock", refuse)
    with locked(tmp_path / ".lock") as alone:
        assert alone


def test_memory_is_unknown_where_there_is_no_proc(monkeypatch):
    def missing(self, *args, **kwargs):
        raise FileNotFoundError(self)

    monkeypatch.setattr(threads.Path, "read_text", missing)
    assert threads.memory_available() is None


@pytest.mark.parametrize(
    ("api", "architecture", "expected"),
    [
        ("openblas", "SkylakeX", True),
        ("openblas", "Cooperlake", True),
        ("openblas", "Haswell", False),
        ("mkl", "SkylakeX", False),
    ],
)
def test_small_products_are_spared_the_copy_by_openblas_for_avx512(
    monkeypatch, api, architecture, expected
):
    found = [{"internal_api": "openmp"}, {"internal_api": api, "architecture": architecture}]
    monkeypatch.setattr(threads, "threadpool_info", lambda: found)
    assert threads.blas_spares_small_products.__wrapped__() == expected


def test_the_pages_of_a_mapped_file_are_fetched_one_by_one_and_only_read(tmp_path, monkeypatch):
    file = tmp_path / "weights"
    np.full(3000, np.nan, np.float32).tofile(file)
    mapped = np.memmap(file, np.float32, mode="r")
    started = []

    class Thread:
        def __init__(self, *, target, daemon):
            assert daemon  # the process may end before it
            started.append(target)

        def start(self):
            started[-1]()  # not a number is no reason for a warning

    monkeypatch.setattr(threads.threading, "Thread", Thread)
    threads.fetch_pages(mapped)
    pages = started[0].__self__
    assert pages.shape == (-(-mapped.nbytes // mmap.PAGESIZE),) and np.shares_memory(pages, mapped)


def test_a_pool_of_no_threads_and_one_that_the_system_refuses_say_so(monkeypatch):
    with pytest.raises(ConfigError, match="a pool of 0 threads"):
        WorkerPool(0)
    real, started = threading.Thread, []

    class Refuses(real):
        def start(self):
            if len(started) == 2:
                raise RuntimeError("can't start new thread")
            started.append(self)
            super().start()

    monkeypatch.setattr(threads.threading, "Thread", Refuses)
    with pytest.raises(ConfigError, match="does not start 5 threads; choose fewer"):
        WorkerPool(5)
    assert not any(thread.is_alive() for thread in started)


def test_blas_never_gets_more_threads_than_cores(monkeypatch):
    monkeypatch.setattr(threads, "default_workers", lambda: 1)
    with WorkerPool(3) as pool:
        assert pool.map(lambda _: set(threads_of_blas()), range(1)) == [{1}]


@pytest.mark.parametrize(
    ("limit", "cores"), [("max 100000\n", None), ("150000 100000\n", 2), ("50000 100000\n", 1)]
)
def test_a_containers_share_of_the_cores_counts(monkeypatch, limit, cores):
    monkeypatch.setattr(threads.Path, "read_text", lambda path: limit)
    assert threads._container_cores() == cores
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: range(8), raising=False)
    assert threads.default_workers() == (cores or 8)
