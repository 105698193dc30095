"""What Linux refuses to a submission, whatever Python is talked into: no right of root is needed.

Landlock (5.13, 2021) closes the files outside a few folders, seccomp the calls that start programs,
open connections or touch other processes. Both hold for what is started afterwards, and nothing
can take them away again. Elsewhere, and in a container that forbids them, this does nothing;
`holds` says whether it does.

Sources: the kernel's userspace-api/landlock.rst and seccomp_filter.rst; the numbers of the calls
are those of its headers, asm/unistd_64.h for x86-64 and asm-generic/unistd.h for ARM.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable

# System calls that Landlock has on every machine
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
READ_FILE, READ_DIR = 1 << 2, 1 << 3
# The rights that each version of it knows, of files, of TCP, of signals: all are taken away
FILES = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # so many bits
TCP_FROM, SIGNALS_FROM = 4, 6

NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2  # prctl
PARENT_DEATH_SIGNAL, SIGKILL = 1, 9

# What a submission cannot ask the kernel for; of the first three some uses are let through.
CALLS = {
    "x86_64": (
        0xC000003E,
        {"clone": 56, "prlimit64": 302, "clone3": 435},
        {
            "socket": 41, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "ptrace": 101,
            "setsid": 112, "rt_sigqueueinfo": 129, "tkill": 200, "tgkill": 234,
            "rt_tgsigqueueinfo": 297, "process_vm_readv": 310, "process_vm_writev": 311,
            "execveat": 322, "pidfd_send_signal": 424, "io_uring_setup": 425,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {"clone": 220, "prlimit64": 261, "clone3": 435},
        {
            "ptrace": 117, "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138,
            "setsid": 157, "socket": 198, "execve": 221, "rt_tgsigqueueinfo": 240,
            "process_vm_readv": 270, "process_vm_writev": 271, "execveat": 281,
            "pidfd_send_signal": 424, "io_uring_setup": 425,
        },
    ),
}  # fmt: skip
SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")  # where modules find shared libraries


def refuse_the_rest(roots: Iterable[str]) -> None:
    """From here on the kernel lets this thread, and those that it starts, read files in `roots`
    and in the system's library, and compute."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PARENT_DEATH_SIGNAL, SIGKILL, 0, 0, 0)  # no grader, no submission
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    _close_files(libc, [*roots, *SYSTEM, f"{sys.base_prefix}/lib"])  # there conda has its MKL
    _close_calls(libc)


def holds() -> bool:
    """Whether this system's kernel holds submissions: it has Landlock, and we know its calls."""
    return landlock_version() > 0 and _machine() in CALLS


def _machine() -> str:
    """The processor that this program runs as; a 32-bit Python has calls of other numbers."""
    return os.uname().machine if sys.maxsize > 2**32 else ""


def landlock_version() -> int:
    """What this kernel has of Landlock: 0 is nothing."""
    if sys.platform != "linux":
        return 0
    return max(0, int(ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, 1)))


def _close_files(libc: ctypes.CDLL, roots: list[str]) -> None:
    version = landlock_version()
    if not version:
        return
    rights = [(1 << FILES.get(version, 16)) - 1]
    rights += [0b11] * (version >= TCP_FROM) + [0b11] * (version >= SIGNALS_FROM)
    handled = struct.pack(f"={len(rights)}Q", *rights)
    rules = libc.syscall(CREATE_RULESET, handled, len(handled), 0)
    for root in filter(os.path.isdir, roots):
        folder = os.open(root, os.O_PATH | os.O_CLOEXEC)
        libc.syscall(ADD_RULE, rules, 1, struct.pack("=Qi", READ_FILE | READ_DIR, folder), 0)
        os.close(folder)
    libc.syscall(RESTRICT_SELF, rules, 0)
    os.close(rules)


# ---- seccomp: a program of the kernel's packet filter, which sees the number of every call

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, MACHINE, FIRST_ARGUMENT = 0, 4, 16  # where they stand in what the filter is given
ALLOW, REFUSE, NO_SUCH_CALL = 0x7FFF0000, 0x00050001, 0x00050026  # EPERM; ENOSYS
OTHER_NUMBERS = 0x40000000  # of x86's third set of calls
NEW_THREAD = 0x10000  # in the first argument of clone
OWN_PROCESS = 0  # the first argument of prlimit64: whose limits


def filter_program(machine: int, looked_at: dict[str, int], refused: Iterable[int]) -> bytes:
    """The filter: each step is (what, number, steps to skip if so, if not)."""
    steps = [
        (LOAD, MACHINE, 0, 0),
        (EQUAL, machine, 1, 0),
        (RETURN, REFUSE, 0, 0),
        (LOAD, NUMBER, 0, 0),
        (AT_LEAST, OTHER_NUMBERS, 0, 1),
        (RETURN, REFUSE, 0, 0),
        (EQUAL, looked_at["clone3"], 0, 1),
        (RETURN, NO_SUCH_CALL, 0, 0),  # its arguments cannot be seen; glibc then takes clone
    ]
    for number in refused:
        steps += [(EQUAL, number, 0, 1), (RETURN, REFUSE, 0, 0)]
    for number, test, argument in (
        (looked_at["clone"], ANY_BIT, NEW_THREAD),
        (looked_at["prlimit64"], EQUAL, OWN_PROCESS),
    ):
        steps += [
            (EQUAL, number, 0, 4),
            (LOAD, FIRST_ARGUMENT, 0, 0),
            (test, argument, 1, 0),
            (RETURN, REFUSE, 0, 0),
            (RETURN, ALLOW, 0, 0),
        ]
    steps.append((RETURN, ALLOW, 0, 0))
    return b"".join(struct.pack("=HBBI", what, yes, no, k) for what, k, yes, no in steps)


def _close_calls(libc: ctypes.CDLL) -> None:
    if _machine() not in CALLS:
        return
    machine, looked_at, refused = CALLS[_machine()]
    steps = ctypes.create_string_buffer(filter_program(machine, looked_at, refused.values()))
    count = (len(steps) - 1) // 8
    program = struct.pack("@HxxxxxxQ", count, ctypes.addressof(steps))
    libc.prctl(SECCOMP, FILTER, program, 0, 0)
