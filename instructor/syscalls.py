"""The system calls that a worker may not make, as a program for the kernel (`bwrap --seccomp` reads it).

Limits count the memory that a process maps. These calls get memory elsewhere, make namespaces in which other limits
hold, look into another process, let two submissions tell each other something, or reach parts of the kernel that no
answer needs. They fail with "operation not permitted". So does a socket of any family but those that every program
knows: some of the others reach beyond a network namespace.
"""

from __future__ import annotations

import errno
import functools
import platform
import socket
import struct

# name: number on x86-64, number on ARM64
REFUSED = {
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "io_uring_setup": (425, 425),
    "unshare": (272, 97),
    "setns": (308, 268),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    # A lock on a file that all may read, or news of its use, would be seen by the neighbour.
    "flock": (73, 32),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "mincore": (27, 232),
    "preadv2": (327, 286),
}
ONLY_ON_X86 = {"inotify_init": 253}
# Calls of which one argument decides: its place, and what is allowed or refused there
SOCKETS = {"socket": (41, 198), "socketpair": (53, 199)}
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
FCNTL = (72, 25)
LOCKS = (5, 6, 7, 36, 37, 38, 1024, 1026)  # F_GETLK to F_OFD_SETLKW, F_SETLEASE, F_NOTIFY
# what the kernel calls a machine, and its column above
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

LOAD, IF_EQUAL, IF_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER, MACHINE, FIRST, SECOND = 0, 4, 16, 24  # where the kernel keeps them: the lower half of an argument
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


@functools.cache
def refusals() -> bytes:
    """The program for this machine, which must be one of `MACHINES`."""
    name, column = MACHINES[platform.machine()]
    refused = [each[column] for each in REFUSED.values()] + ([] if column else [*ONLY_ON_X86.values()])
    # (instruction, jump if true, jump if false, value): a jump skips as many instructions
    program = [
        (LOAD, 0, 0, MACHINE),
        (IF_EQUAL, 1, 0, name),  # not called as a 32-bit program would
        (RETURN, 0, 0, REFUSE),
        (LOAD, 0, 0, NUMBER),
        (IF_AT_LEAST, 0, 1, 0x40000000),  # nor by a second set of numbers
        (RETURN, 0, 0, REFUSE),
    ]
    for number in refused:
        program += [(IF_EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE)]
    for numbers in SOCKETS.values():
        program += decide(numbers[column], FIRST, FAMILIES, ALLOW, REFUSE)
    program += decide(FCNTL[column], SECOND, LOCKS, REFUSE, ALLOW)
    program += [(RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def decide(number: int, place: int, values: tuple[int, ...], then: int, otherwise: int) -> list[tuple[int, ...]]:
    """What becomes of one call: ``then`` if the argument at ``place`` is one of ``values``."""
    rest = [(LOAD, 0, 0, place)]
    for value in values:
        rest += [(IF_EQUAL, 0, 1, value), (RETURN, 0, 0, then)]
    rest += [(RETURN, 0, 0, otherwise)]
    return [(IF_EQUAL, 0, len(rest), number), *rest]
