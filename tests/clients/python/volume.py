"""One volume, two servers in turn, under the load of every client: what was confirmed by either is there at the end.

    volume.py COMMAND...

Each COMMAND is a client's program, which gets `load SECONDS`. Meanwhile the server is changed for the other one and
back, each time with SIGTERM and on the same directory with `--appendonly yes`; before, in between and after, the log
is rewritten and a snapshot saved.
"""

import shlex
import subprocess
import sys
import time

import redis

from common import control, eventually, shown

SECONDS = 12
LOST = (redis.ConnectionError, redis.TimeoutError)


def ask(*words):
    """Asks until it is answered, whichever server is there."""

    def asked():
        try:
            return [redis.Redis().execute_command(*words)]
        except redis.ResponseError as error:
            # A rewrite or a snapshot that is under way will do.
            return [error]

    return eventually(asked, errors=LOST)[0]


def version():
    return ask("INFO", "server")["redis_version"]


def main():
    began = time.monotonic()
    ask("SET", "volume:before", "kept")
    ask("EVAL", "redis.call('DEL', 'volume:list') for i = 1, 20000 do redis.call('RPUSH', 'volume:list', i) redis.call('HSET', 'volume:hash', i, i) end", 0)
    ask("SET", "volume:deadline", "x", "EX", "1000")
    clients = [subprocess.Popen([*shlex.split(command), "load", str(SECONDS)]) for command in sys.argv[1:]]
    seen = [version()]
    for _ in range(4):
        time.sleep(max(0.0, began + len(seen) * SECONDS / 5 - time.monotonic()))
        ask("BGREWRITEAOF")
        control("swap")
        seen.append(version())
        ask("BGREWRITEAOF" if len(seen) % 2 else "BGSAVE")
        assert ask("GET", "volume:before") == b"kept"
        sizes = ask("LLEN", "volume:list"), ask("HLEN", "volume:hash")
        assert sizes == (20000, 20000), sizes
        assert 0 < ask("TTL", "volume:deadline") <= 1000
    print(f"servers: {', '.join(seen)}", flush=True)
    failed = [command for command, client in zip(sys.argv[1:], clients) if client.wait(60)]
    assert not failed, failed
    counts = {key.decode(): int(ask("GET", key)) for key in redis.Redis().scan_iter("load:*", _type="string")}
    assert len(counts) == len(clients) and min(counts.values()) > 100, counts
    # Once more, with nobody writing: both servers read the same from the files that the other one left.
    before = ask("DBSIZE"), counts
    for _ in range(2):
        control("swap")
        assert before == (ask("DBSIZE"), {key: int(ask("GET", key)) for key in counts})
    shown("a volume under load, ours and the real server's in turn")


main()
