"""How much memory this process has and takes, as the system says."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_STATM = Path("/proc/self/statm")


def machine_bytes() -> int:
    """Memory that this process may use: its container's limit, else the machine's."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in _LIMITS:
        with contextlib.suppress(OSError, ValueError):
            found.append(int(file.read_text()))
    return min(found)


def resident_bytes() -> int:
    """Memory that this process takes now; 0 where the system does not say."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def give_back() -> None:
    """Let the system have what was freed and the allocator keeps for later; nothing where the allocator knows no such call."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
