"""What the Python programs share: the control port, a line for each thing shown, and waiting for something."""

import socket
import sys
import time
import traceback

PROXY = 6380
CONTROL = 6381


def control(line):
    """Asks the harness for a restart or a cut: see harness.py."""
    with socket.create_connection(("127.0.0.1", CONTROL), timeout=60) as end, end.makefile("rw") as lines:
        lines.write(line + "\n")
        lines.flush()
        answer = lines.readline().strip()
    assert answer == "ok", f"{line}: {answer}"


def shown(what):
    print(f"shown {what}", flush=True)


def eventually(check, seconds=20, errors=()):
    """The first true answer of `check`; `errors` count as no answer."""
    until = time.monotonic() + seconds
    while True:
        try:
            answer = check()
            if answer:
                return answer
        except errors:
            if time.monotonic() > until:
                raise
        assert time.monotonic() < until, f"never became true: {check.__name__}"
        time.sleep(0.02)


def fail():
    """For threads, whose exceptions end nothing by themselves."""
    traceback.print_exc()
    sys.stderr.flush()
    sys.stdout.flush()
    import os

    os._exit(1)
