#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check_wall: the core reaches the world through src/platform only.

No atomic, clock, sleep, allocation, thread, lock or system call of its own in src/core: that is what
lets a test put a virtual clock, a failing allocator or a schedule of its choice under the real core.
It reads names outside comments and strings; members of structs (`ops->close`) may have any name.
With --build it also asks the compiled objects of the core what they call, which no macro hides.
What the core includes is check_includes's.
"""
import glob
import os
import re
import subprocess

import source

# A name that may not appear at all, and what it is.
NAMES = [
    (r"_Atomic|stdatomic|atomic_\w+|memory_order\w*|ATOMIC_\w+", "an atomic"),
    (r"__atomic_\w+|__sync_\w+|__ATOMIC_\w+|_mm_\w+|__builtin_ia32_\w+", "an atomic"),
    (r"_Thread_local|__thread|thread_local", "thread-local storage"),
    (r"pthread_\w+|PTHREAD_\w+|sched_\w+|sem_(?:init|wait|post|timedwait|destroy)", "a thread"),
    (r"thrd_\w+|mtx_\w+|cnd_\w+|tss_\w+|call_once", "a thread"),
    (r"futex\w*|FUTEX_\w+|syscall|SYS_\w+|membarrier", "a system call"),
    (r"asm|__asm|__asm__", "assembler"),
    (r"clock_(?:gettime|getres|settime|nanosleep)|CLOCK_\w+|gettimeofday|timespec_get|nanosleep|usleep", "a clock"),
    (r"__rdtsc\w*|__builtin_readcyclecounter", "a clock"),
    (r"malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|memalign", "an allocation"),
    (r"strdup|strndup|asprintf|vasprintf|alloca|mmap|munmap", "an allocation"),
    (r"getrandom|arc4random\w*|srand\w*|[dlmn]rand48\w*", "randomness"),
]
# Common words: only a call of them counts.
CALLS = [
    (r"free", "an allocation"),
    (r"time|clock", "a clock"),
    (r"sleep|poll|ppoll", "a sleep"),
    (r"rand", "randomness"),
    (r"fork|getpid|gettid|sigaction|abort|exit|_exit", "the process"),
    (r"printf|fprintf|puts|fputs|fopen|perror", "input and output"),
]

# A member (`.name`, `->name`) is no use of the name.
_BEFORE = r"(?<![\w.])(?<!->)"
_RULES = [(re.compile(rf"{_BEFORE}(?:{n})\b"), what) for n, what in NAMES] + [
    (re.compile(rf"{_BEFORE}(?:{n})(?=\s*\()"), what) for n, what in CALLS
]
# What an object of the core may need from outside: its own house, memory and text in place.
_NEEDED = re.compile(
    r"q(?:p|pool)_\w+|mem(?:cpy|move|set|cmp|chr)|str(?:n?len|n?cmp|r?chr|spn|cspn|str)|(?:v?snprintf)"
    r"|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__errno_location"
    r"|__(?:memcpy|memmove|memset|v?snprintf)_chk"
    r"|clock_gettime"  # by platform/clock_inline.h; in the source it is no name of the core's
)


def check_objects(tree, build):
    objects = glob.glob(os.path.join(build, "src", "libqueuepool.so*.p", "core_*.o"))
    if not objects:
        tree.complain("src/core", 0, f"none of its objects is in {build}")
    for path in sorted(objects):
        run = subprocess.run(["nm", "--undefined-only", path], capture_output=True, text=True, check=True)
        for line in run.stdout.splitlines():
            name = line.split()[-1]
            if not _NEEDED.fullmatch(name):
                room = "src/core/" + os.path.basename(path)[len("core_") : -len(".o")]
                tree.complain(room, 0, f"once compiled, it needs {name}; go through platform/")


def check(tree, options):
    if options.build:
        check_objects(tree, options.build)
    for path in tree.under("src/core"):
        text = source.code(tree.read(path))
        for pattern, what in _RULES:
            for match in pattern.finditer(text):
                line = source.line_of(text, match.start())
                name = match.group()
                tree.complain(path, line, f"{name}: {what} of the core's own; go through platform/")


def extra(parser):
    parser.add_argument("--build", help="build folder (no sanitizers) whose objects are looked at as well")


if __name__ == "__main__":
    source.main(check, __doc__, extra)
