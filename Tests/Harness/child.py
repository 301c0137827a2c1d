"""Runs a program in a process group of its own that never outlives this one."""

import contextlib
import os
import signal
import subprocess
import sys


def end_on_signals() -> None:
    """Makes SIGTERM and SIGHUP end this program as SIGINT does: through every `finally`."""
    def stop(number, _frame):
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


@contextlib.contextmanager
def group(command: list[str], **options):
    """A running program. At the end of the block all of its group is killed, children too."""
    process = subprocess.Popen(command, start_new_session=True, text=True, errors="replace",
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(command: list[str], limit: float | None = None, **options) -> tuple[int | None, str]:
    """Its exit code, `None` if it was killed after `limit` seconds, and what it printed."""
    with group(command, **options) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return None, ""
        return process.returncode, output
