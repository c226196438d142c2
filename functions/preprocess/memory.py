"""Memory of large pictures goes back to the system."""

from __future__ import annotations

import ctypes

M_MMAP_THRESHOLD = -3
BLOCK = 12_000_000
"""Bytes: below Pillow's blocks of 16 MB, above what a photo of 1280 px takes, which page faults would make 11 ms slower."""


def give_back_large_blocks() -> None:
    """Have glibc return every freed block of 12 MB or more.

    By itself it raises that size as blocks are freed, and each thread keeps its own: four threads of 25-megapixel photos held
    608 MB where 379 are enough. Another C library has no such habit and is left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, BLOCK)
