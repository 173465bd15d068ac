"""redis-py's own tests of what a standalone server does, from its source package.

    redis_py_suite.py FOLDER

What fails on Debian's redis-server 7.0 too, or asks for a replica, is deselected by name.
"""

import pathlib
import subprocess
import sys

from common import shown

FILES = ["test_lock.py", "test_asyncio/test_lock.py", "test_pipeline.py", "test_scripting.py", "test_pubsub.py", "test_monitor.py", "test_encoding.py", "test_function.py"]


def main():
    folder = pathlib.Path(sys.argv[1])
    files = [str(folder / "tests" / name) for name in FILES]
    command = [sys.executable, "-m", "pytest", "-q", "--redis-url", "redis://127.0.0.1:6379/9", "-p", "no:cacheprovider", *files]
    command += ["-m", "not onlycluster and not redismod and not ssl and not experimental"]
    subprocess.run(command, cwd=folder, check=True)
    shown("its own tests")


main()
