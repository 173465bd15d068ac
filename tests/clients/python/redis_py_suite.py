"""redis-py's own tests of what a standalone server does, from its source package.

    redis_py_suite.py FOLDER

Those of clusters, Sentinel, TLS and of what the client does by itself are left out, and what is newer than the version that the server tells
skips itself.
"""

import pathlib
import subprocess
import sys

from common import shown

URL = "redis://127.0.0.1:6379"
FILES = ["commands", "hash", "vsets", "keyspace_notifications", "lock", "pipeline", "scripting", "pubsub", "monitor", "encoding"]
SYNC_ONLY = ["function", "legacy_responses_arg"]
# They are marked as a module's.
OF_MODULES = ["json"]


def run(folder, names, *options):
    files = [folder / "tests" / name for name in names]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *map(str, files)]
    subprocess.run(command, cwd=folder, check=True)


def both(names):
    return [f"{place}test_{name}.py" for name in names for place in ("", "test_asyncio/")]


def main():
    folder = pathlib.Path(sys.argv[1])
    alone = [f"test_{name}.py" for name in SYNC_ONLY]
    marks = "not onlycluster and not redismod and not ssl and not experimental"
    run(folder, both(FILES) + alone, "--redis-url", f"{URL}/9", "-m", marks)
    run(folder, both(OF_MODULES), "--redis-url", f"{URL}/9", "--redis-mod-url", URL, "-m", "not onlycluster")
    shown("its own tests")


main()
