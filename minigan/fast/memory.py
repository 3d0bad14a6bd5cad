"""Freed memory is kept, so that the next array need not wait for the system.

A training step makes and frees arrays of the same sizes over and over. glibc, the C library of most
Linux systems, learns to keep arrays of up to 32 MB. A larger one it hands back when it is freed,
and fetches again, page by page and filled with zeros, for the next. Convolutions make such arrays:
when they are kept too, a step of the recipe dcgan takes 8 % less time. The heap's end goes back as
well, again and again: a step of two networks of 17,000 weights had 352 page faults, a fifth of its
time. So plain expressions such as
``y = x @ W + b`` run as fast as code that plans every buffer by hand, and there are no buffers in
the layers. CuPy does the same on the GPU: its memory pool.
"""

from __future__ import annotations

import os
import sys

# The parameters of mallopt(3), from glibc's malloc.h, and what they are set to: a C int each.
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD = -3, -1, -2
SETTINGS = {
    M_MMAP_THRESHOLD: 2**30,  # up to a gigabyte comes from the heap, not from a mapping of its own
    M_TRIM_THRESHOLD: -1,  # the heap's end is never given back
    M_TOP_PAD: 2**26,  # and grows by 64 MB at a time
}


def keep_freed_memory() -> bool:
    """Tell glibc to keep what this process frees; return whether it does.

    It holds for the whole process and to its end; calling it again changes nothing. So no function
    of the library calls it: a program that trains may, before it begins. The environment variable
    ``MINIGAN_KEEP_MEMORY=0`` switches it off, for a process that has better use for its memory than
    the next step; on other systems nothing happens.
    """
    if not sys.platform.startswith("linux") or os.environ.get("MINIGAN_KEEP_MEMORY") == "0":
        return False
    import ctypes

    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):  # musl has other ways
        return False
    return all([libc.mallopt(name, value) == 1 for name, value in SETTINGS.items()])
