"""Memory that a process takes from the system, whatever it needs it for."""

import platform
import subprocess
import sys

import pytest

THREADS = 8
PROGRAM = f"""
import ctypes, os, sys, threading
from pipelines.runtime.heap import share_one_heap

if sys.argv[1:]:
    share_one_heap()
system, all_there = ctypes.CDLL(None), threading.Barrier({THREADS} + 1)
system.fdopen.restype = ctypes.c_void_p


def take():
    system.malloc(100)
    all_there.wait()


threads = [threading.Thread(target=take) for _ in range({THREADS})]
for thread in threads:
    thread.start()
file = os.memfd_create("heaps")
stream = ctypes.c_void_p(system.fdopen(file, b"w"))
all_there.wait()
system.malloc_info(0, stream)
system.fflush(stream)
print(os.pread(file, 1 << 20, 0).count(b"<heap nr="))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others have no heap per thread")
def test_threads_share_one_heap() -> None:
    """Threads take memory from the heap that all have, where glibc gives each its own."""
    heaps = [
        subprocess.check_output([sys.executable, "-c", PROGRAM, *words], text=True)
        for words in ([], ["shared"])
    ]
    assert [int(one) for one in heaps] == [1 + THREADS, 1]
