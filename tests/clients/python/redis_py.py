"""redis-py, sync and asyncio, in RESP2 and RESP3, with hiredis's parser and with its own.

    redis_py.py [load SECONDS]
"""

import asyncio
import os
import subprocess
import sys
import threading
import time

if os.environ.get("WITHOUT_HIREDIS"):
    sys.modules["hiredis"] = None

import redis
import redis.asyncio
from redis.utils import HIREDIS_AVAILABLE

from common import PROXY, control, eventually, shown

BIG = b"0123456789" * 20_000
ADD = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
LOST = (redis.ConnectionError, redis.TimeoutError)


def defaults():
    r = redis.Redis()
    assert r.ping()
    assert r.set("greeting", "hello") and r.get("greeting") == b"hello"
    assert r.info("server")["redis_version"][0] in "78"
    mine = [c for c in r.client_list() if c["lib-name"].startswith("redis-py")] if newer(r) else [True]
    assert mine, "CLIENT SETINFO has told the library's name"
    shown("connect")


def newer(r):
    return r.info("server")["redis_version"] >= "7.2"


def sync(protocol):
    r = redis.Redis(protocol=protocol, decode_responses=True)
    r.flushall()
    pipe = r.pipeline(transaction=False)
    for i in range(1000):
        pipe.set(f"k{i}", i).get(f"k{i}")
    got = pipe.execute()
    assert got[1::2] == [str(i) for i in range(1000)]
    pipe = r.pipeline(transaction=False)
    pipe.set("text", "x").incr("text").get("text")
    got = pipe.execute(raise_on_error=False)
    assert got[0] is True and isinstance(got[1], redis.ResponseError) and got[2] == "x"
    shown("pipeline")

    pipe = r.pipeline()
    assert pipe.incr("n").zadd("board", {"ann": 5, "bob": 3}).zrange("board", 0, -1, desc=True, withscores=True).execute()[:2] == [1, 2]
    assert [list(p) for p in r.zrange("board", 0, -1, desc=True, withscores=True)] == [["ann", 5.0], ["bob", 3.0]]
    with r.pipeline() as pipe:
        pipe.watch("n")
        r.incr("n")
        pipe.multi()
        pipe.set("n", 100)
        try:
            pipe.execute()
            raise AssertionError("EXEC must fail when a watched key has changed")
        except redis.WatchError:
            pass
    assert r.transaction(lambda p: (p.multi(), p.incr("n")), "n") == [3]
    shown("transaction")

    heard = []
    p = r.pubsub()
    p.subscribe(news=lambda m: heard.append(m["data"]))
    p.psubscribe(**{"w*": lambda m: heard.append((m["channel"], m["data"]))})
    thread = p.run_in_thread(sleep_time=0.01)
    eventually(lambda: r.pubsub_numsub("news")[0][1] == 1 and r.pubsub_numpat() == 1)
    assert r.publish("news", "one") == 1 and r.publish("weather", "two") == 1
    eventually(lambda: heard == ["one", ("weather", "two")])
    thread.stop()
    thread.join()
    shown("pubsub")

    threading.Timer(0.1, lambda: r.rpush("jobs", "job")).start()
    assert list(r.blpop("jobs", timeout=10)) == ["jobs", "job"]
    started = time.monotonic()
    assert r.blpop("jobs", timeout=0.2) is None and 0.15 < time.monotonic() - started < 2
    threading.Timer(0.1, lambda: r.xadd("log", {"a": "1"})).start()
    assert "a" in str(r.xread({"log": "$"}, block=10_000))
    shown("blocking")

    add = r.register_script(ADD)
    r.script_flush()
    assert [add(keys=["sum"], args=[5]), add(keys=["sum"], args=[5])] == [5, 10]
    pipe = r.pipeline()
    add(keys=["sum"], args=[1], client=pipe)
    assert pipe.execute() == [11]
    shown("script")

    p = r.pubsub()
    p.subscribe("after")
    assert eventually(lambda: p.get_message(timeout=1))["type"] == "subscribe"
    control("restart")
    assert r.get("n") == "3" and add(keys=["sum"], args=[1]) == 12
    assert eventually(lambda: p.get_message(timeout=1), errors=LOST)["type"] == "subscribe"
    r.publish("after", "again")
    assert eventually(lambda: p.get_message(timeout=1))["data"] == "again"
    control("kill")
    assert r.incr("n") == 4
    shown("reconnect")

    r.set("big", BIG)
    for retries in False, True:
        options = {} if retries else {"retry": None}
        c = redis.Redis(port=PROXY, protocol=protocol, decode_responses=True, **options)
        assert c.ping()
        for after in 0, 1, 5, 1000, 100_000:
            control(f"cut {after}")
            try:
                # It is asked again where the client retries by itself, and is never half a value.
                assert c.get("big") == BIG.decode() and retries
            except LOST:
                assert not retries
            assert c.get("n") == "4"
        c.close()
    eventually(lambda: len(r.client_list()) <= 3)
    shown("cut")


async def asynchronous(protocol):
    r = redis.asyncio.Redis(protocol=protocol, decode_responses=True)
    await r.flushall()
    async with r.pipeline(transaction=False) as pipe:
        for i in range(1000):
            pipe.set(f"k{i}", i).get(f"k{i}")
        got = await pipe.execute()
    assert got[1::2] == [str(i) for i in range(1000)]
    assert await asyncio.gather(*(r.get(f"k{i}") for i in range(50))) == [str(i) for i in range(50)]
    shown("pipeline")

    async with r.pipeline() as pipe:
        assert await pipe.incr("n").hset("h", mapping={"a": 1}).hgetall("h").execute() == [1, 1, {"a": "1"}]
        await pipe.watch("n")
        await r.incr("n")
        pipe.multi()
        pipe.set("n", 100)
        try:
            await pipe.execute()
            raise AssertionError("EXEC must fail when a watched key has changed")
        except redis.WatchError:
            pass
    shown("transaction")

    async with r.pubsub() as p:
        await p.subscribe("news")
        assert (await p.get_message(timeout=5))["type"] == "subscribe"
        await r.publish("news", "one")
        assert (await p.get_message(timeout=5))["data"] == "one"
    shown("pubsub")

    popped = asyncio.create_task(r.blpop("jobs", timeout=10))
    await asyncio.sleep(0.1)
    await r.rpush("jobs", "job")
    assert list(await popped) == ["jobs", "job"]
    # A task that is cancelled in its wait leaves nothing that would swallow the next element.
    popped = asyncio.create_task(r.blpop("jobs", timeout=10))
    await asyncio.sleep(0.1)
    popped.cancel()
    await asyncio.gather(popped, return_exceptions=True)
    await asyncio.sleep(0.1)
    await r.rpush("jobs", "kept")
    assert await r.lpop("jobs") == "kept"
    shown("blocking")

    add = r.register_script(ADD)
    assert [await add(keys=["sum"], args=[5]), await add(keys=["sum"], args=[5])] == [5, 10]
    shown("script")

    await asyncio.to_thread(control, "restart")
    assert await r.get("sum") == "10" and await r.incr("n") == 3
    shown("reconnect")

    await r.set("big", BIG)
    c = redis.asyncio.Redis(port=PROXY, protocol=protocol, decode_responses=True)
    await c.ping()
    for after in 0, 1, 5, 1000, 100_000:
        await asyncio.to_thread(control, f"cut {after}")
        assert await c.get("big") == BIG.decode()
        assert await c.get("n") == "3"
    await c.aclose()
    await r.aclose()
    shown("cut")


def load(seconds):
    """What was confirmed is there at the end, though servers come and go."""
    r = redis.Redis()
    r.delete("load:redis-py", "load:redis-py:log", "load:redis-py:board")
    confirmed = asked = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        asked += 1
        try:
            pipe = r.pipeline()
            pipe.incr("load:redis-py").rpush("load:redis-py:log", asked).zadd("load:redis-py:board", {str(asked): asked})
            confirmed = pipe.execute()[0]
        except LOST:
            time.sleep(0.02)
        time.sleep(0.001)
    counted = int(eventually(lambda: r.get("load:redis-py"), errors=LOST))
    assert confirmed <= counted, (confirmed, counted)
    assert counted == r.llen("load:redis-py:log") >= r.zcard("load:redis-py:board") > 0
    shown(f"load: {counted} of {asked}")


def main():
    if sys.argv[1:2] == ["load"]:
        return load(float(sys.argv[2]))
    defaults()
    for protocol in 2, 3:
        sync(protocol)
        asyncio.run(asynchronous(protocol))
    if HIREDIS_AVAILABLE:
        environment = os.environ | {"WITHOUT_HIREDIS": "1"}
        subprocess.run([sys.executable, __file__], env=environment, check=True)
    else:
        assert os.environ.get("WITHOUT_HIREDIS"), "hiredis is installed, and must be used"


main()
