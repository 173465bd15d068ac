"""A sliding window in Lua under 32 clients at once: exactly the limit passes in each window."""

import threading
import time

import redis

from common import fail, shown

LIMIT, WINDOW_MS, CLIENTS, SECONDS = 50, 1000, 32, 4
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2] * 1000)
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then
    redis.call('ZADD', KEYS[1], now, ARGV[3])
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return {1, tostring(now)}
end
return {0, tostring(now)}
"""


def client(number, until, passed, refused, lock):
    try:
        r = redis.Redis()
        ask = r.register_script(SCRIPT)
        asked = 0
        while time.monotonic() < until:
            asked += 1
            through, now = ask(keys=["window"], args=[LIMIT, WINDOW_MS, f"{number}:{asked}"])
            with lock:
                (passed if through else refused).append(int(float(now)))
            if not through:
                time.sleep(0.005)
    except Exception:
        fail()


def main():
    passed, refused, lock = [], [], threading.Lock()
    until = time.monotonic() + SECONDS
    threads = [threading.Thread(target=client, args=(n, until, passed, refused, lock)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed.sort()
    # Of any LIMIT + 1 that passed in a row, the last came a whole window after the first.
    for first, last in zip(passed, passed[LIMIT:]):
        assert last - first >= WINDOW_MS * 1000, (first, last)
    full = (max(passed + refused) - passed[0]) // (WINDOW_MS * 1000)
    assert len(passed) >= LIMIT * full >= LIMIT * (SECONDS - 2), f"{len(passed)} passed in {full} windows"
    assert len(refused) > len(passed), "the limit was reached"
    shown("exactly the limit under 32 clients")


main()
