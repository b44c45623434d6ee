"""What a command and everything it starts cost, as the operating system tells."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

PROC = Path("/proc")
EVERY_SECONDS = 0.05
SESSION = 3  # place in /proc/PID/stat behind the name
TELLING = re.compile(r".*\b\w*(?:Error|Exception|error|failed)\b.*")
LONGEST = 400  # characters


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall, CPU (user and system), the highest sum of resident memory, what it said of an error."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    exit_code: int
    said: str


class MemoryOfSession(Thread):
    """Watches the resident memory of all processes of a session; pages they share count twice.

    Not by what `wait4` tells: that begins with the memory of the process that forked.
    """

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.session = session
        self.peak = 0
        self._over = Event()
        self._members: dict[int, bool] = {}

    def run(self) -> None:
        """Look until told to stop."""
        while not self._over.wait(EVERY_SECONDS):
            found = [int(one.name) for one in PROC.iterdir() if one.name.isdigit()]
            sizes = [_sizes_of(one) for one in found if self._belongs(one)]
            together = sum(now for now, _ in sizes)
            self.peak = max([self.peak, together, *(most for _, most in sizes)])

    def stop(self) -> int:
        """Return the highest number of KiB seen."""
        self._over.set()
        self.join()
        return self.peak

    def _belongs(self, pid: int) -> bool:
        if pid not in self._members:
            try:
                stat = (PROC / str(pid) / "stat").read_text()
            except OSError:
                return False
            fields = stat.rpartition(")")[2].split()
            self._members[pid] = int(fields[SESSION]) == self.session
        return self._members[pid]


def _sizes_of(pid: int) -> tuple[int, int]:
    """Return the KiB that a process has in memory now and had at most."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0, 0
    found = {one.partition(":")[0]: one.split() for one in lines if one.startswith("Vm")}
    now, most = (int(found.get(name, ("", "0"))[1]) for name in ("VmRSS", "VmHWM"))
    return now, most


def run(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, seconds: float
) -> Cost:
    """Run a command to its end, or to the end of `seconds`.

    CPU seconds are those of the command and of all descendants that were waited for; the peak is
    the highest sum of the resident memory of all its processes, looked at 20 times a second, or
    the peak of the largest process where that is higher.
    """
    said = folder / "output.txt"
    began = time.monotonic()
    with said.open("w") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    memory = MemoryOfSession(child.pid)
    memory.start()
    in_time = Event()
    guard = Thread(target=_end_late, args=(child.pid, in_time, seconds), daemon=True)
    guard.start()
    _, status, used = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
    in_time.set()
    child.returncode = os.waitstatus_to_exitcode(status)
    text = said.read_text(errors="replace")
    return Cost(
        wall_seconds=round(wall, 2),
        cpu_seconds=round(used.ru_utime + used.ru_stime, 2),
        peak_mib=round(memory.stop() / 1024, 1),
        exit_code=child.returncode,
        said=telling(text) if wall < seconds else f"ended after {seconds:.0f} s",
    )


def telling(text: str) -> str:
    """Return the last line that tells of an error, or the end of it all."""
    lines = [one.strip() for one in text.splitlines() if TELLING.fullmatch(one)]
    return lines[-1][:LONGEST] if lines else text.strip()[-LONGEST:]


def _end_late(pid: int, in_time: Event, seconds: float) -> None:
    if not in_time.wait(seconds):
        os.killpg(pid, signal.SIGKILL)
