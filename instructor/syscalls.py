"""The system calls that a worker may not make, as a program for the kernel (`bwrap --seccomp` reads it).

Limits count the memory that a process maps. These calls get memory elsewhere, make namespaces in which other limits
hold, or reach parts of the kernel that no answer needs. They fail with "operation not permitted".
"""

from __future__ import annotations

import errno
import platform
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
    "ptrace": (101, 117),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
}
# what the kernel calls a machine, and its column above
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

LOAD, IF_EQUAL, IF_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER, MACHINE = 0, 4  # where the kernel keeps them
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


def refusals() -> bytes:
    """The program for this machine, which must be one of `MACHINES`."""
    name, column = MACHINES[platform.machine()]
    # (instruction, jump if true, jump if false, value): a jump skips as many instructions
    numbers = [each[column] for each in REFUSED.values()]
    to_refuse = len(numbers) + 1
    program = [
        (LOAD, 0, 0, MACHINE),
        (IF_EQUAL, 0, to_refuse + 2, name),  # not called as a 32-bit program would
        (LOAD, 0, 0, NUMBER),
        (IF_AT_LEAST, to_refuse, 0, 0x40000000),  # nor by a second set of numbers
    ]
    program += [(IF_EQUAL, to_refuse - index, 0, number) for index, number in enumerate(numbers, 1)]
    program += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
