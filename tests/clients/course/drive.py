"""Starts both services under uvicorn and drives them over HTTP."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

import httpx
import redis

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
from common import control, eventually, shown

SHOP, MAILER = "http://127.0.0.1:8000", "http://127.0.0.1:8001"
web = httpx.Client(timeout=20)
r = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


def serve(app, port):
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning"]
    return subprocess.Popen(command, cwd=HERE)


def up(url):
    return eventually(lambda: web.get(url).status_code == 200, errors=(httpx.TransportError,))


def main():
    services = [serve("shop:app", 8000), serve("mailer:app", 8001)]
    try:
        up(SHOP + "/health")
        up(MAILER + "/mails")
        responses()
        cache_aside()
        sessions()
        rate_limit()
        events()
        counters()
        semantic_cache()
        restart()
    finally:
        for service in services:
            service.terminate()
            service.wait(10)


def responses():
    first = web.get(SHOP + "/report/2024?region=north").json()
    assert first == {"year": 2024, "region": "north", "sold": 6072, "run": 1}
    assert web.get(SHOP + "/report/2024?region=north").json() == first, "the second one is the kept one"
    assert web.get(SHOP + "/report/2024").json()["run"] == 2, "other arguments are another key"
    keys = list(r.scan_iter("cache:sales:*"))
    assert len(keys) == 2 and all(0 < r.ttl(key) <= 60 for key in keys)
    for key in keys:
        r.pexpire(key, 1)
    eventually(lambda: not r.exists(*keys))
    assert web.get(SHOP + "/report/2024?region=north").json()["run"] == 3, "what has run out is made again"
    shown("response caching")


def cache_aside():
    url = SHOP + "/products/1"
    assert [web.get(url).json()["from"] for _ in range(3)] == ["database", "cache", "cache"]
    assert web.put(url, json={"name": "teapot", "price": 25}).status_code == 200
    assert web.get(url).json() == {"name": "teapot", "price": 25, "from": "database"}
    assert web.get(url).json()["from"] == "cache"
    assert web.get(SHOP + "/products/9").status_code == 404
    assert web.get(SHOP + "/asked").json()["database"] == 3
    assert 290 < r.ttl("product:1") <= 300
    shown("cache-aside with invalidation")


def sessions():
    token = web.post(SHOP + "/sessions", json={"user": "ann"}).json()["token"]
    r.expire(f"session:{token}", 10)
    assert web.get(f"{SHOP}/sessions/{token}").json() == {"user": "ann", "seen": 1, "left": 1800}
    assert web.delete(f"{SHOP}/sessions/{token}").status_code == 204
    assert web.get(f"{SHOP}/sessions/{token}").status_code == 401
    assert web.delete(f"{SHOP}/sessions/{token}").status_code == 401
    gone = web.post(SHOP + "/sessions", json={"user": "bob"}).json()["token"]
    r.pexpire(f"session:{gone}", 20)
    eventually(lambda: not r.exists(f"session:{gone}"))
    assert web.get(f"{SHOP}/sessions/{gone}").status_code == 401
    shown("sessions")


def rate_limit():
    def ask(caller):
        return web.get(SHOP + "/health", headers={"x-api-key": caller}).status_code

    answers = [ask("ann") for _ in range(101)]
    assert answers == [200] * 100 + [429], "the 101st within a minute is refused"
    assert ask("bob") == 200, "others have a window of their own"
    assert 0 < r.ttl("rate:ann") <= 60
    # A minute passes: what was asked moves out of the window.
    for member, at in r.zrange("rate:ann", 0, -1, withscores=True):
        r.zadd("rate:ann", {member: at - 61})
    assert ask("ann") == 200 and r.zcard("rate:ann") == 1
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ask("carl"), range(150)))
    assert answers.count(200) == 100 and answers.count(429) == 50
    shown("sliding-window rate limit")


def events():
    placed = web.post(SHOP + "/orders", json={"user": "ann", "items": ["cup", "tea for two ☕"]}).json()
    assert placed == {"order": 1, "heard": 1}
    eventually(lambda: web.get(MAILER + "/mails").json() == ["Order 1 of ann: cup, tea for two ☕"])
    heard = web.get(MAILER + "/products").json()
    assert heard == [{"event": "updated", "number": "1", "product": {"name": "teapot", "price": 25}}]
    shown("events between two services")


def counters():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        views = list(pool.map(lambda _: web.post(SHOP + "/views/home").json()["views"], range(80)))
    assert sorted(views) == list(range(1, 81)), "each request got a number of its own"
    for player, points in ("ann", 10), ("bob", 30), ("carl", 20), ("ann", 15.5):
        last = web.post(f"{SHOP}/scores/{player}", json={"points": points}).json()
    assert last == {"score": 25.5, "rank": 1}
    web.post(SHOP + "/scores/bob", json={"points": 5, "best": True})
    board = web.get(SHOP + "/board?count=2").json()
    assert board == [{"player": "bob", "score": 30}, {"player": "ann", "score": 25.5}]
    shown("counters and a leaderboard")


def question(text, **more):
    return web.post(SHOP + "/questions", json={"question": text, **more}).json()


def semantic_cache():
    first = question("How do I return a broken teapot?")
    assert first == {"answer": "Answer 1 to: How do I return a broken teapot?", "from": "model", "asked": "How do I return a broken teapot?"}
    for alike in "How do I return a broken teapot?", "how can I return the broken teapots", "Please tell me how to return my broken teapot!":
        assert question(alike) == first | {"from": "cache"}, alike
    others = ["When do you open on Sundays?", "How do I return a gift card?", "Is the teapot dishwasher safe?"]
    assert [question(text)["from"] for text in others] == ["model"] * 3
    assert question("when do you open Sunday")["asked"] == others[0]
    assert question("How do I return a broken teapot?", language="french")["from"] == "model", "other languages have answers of their own"
    assert web.get(SHOP + "/asked").json()["model"] == 5
    keys = list(r.scan_iter("answer:*"))
    assert len(keys) == 5 and all(3500 < r.ttl(key) <= 3600 for key in keys)
    # Questions of many callers at once are found while others are kept.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        things = ["kettle", "lamp", "carpet", "mirror", "spoon", "bench", "window", "pillow"]
        texts = [f"Which colours has the {thing}?" for thing in things]
        assert {one["from"] for one in pool.map(question, texts)} == {"model"}
        held = list(pool.map(question, texts))
    assert [(one["asked"], one["from"]) for one in held] == [(text, "cache") for text in texts]
    # What has run out is asked of the model again.
    for key in keys:
        r.pexpire(key, 1)
    eventually(lambda: not r.exists(*keys))
    again = question("how can I return the broken teapots")
    assert again["from"] == "model" and again["asked"] == "how can I return the broken teapots"
    shown("a semantic cache")


def restart():
    tokens = [web.post(SHOP + "/sessions", json={"user": f"user{i}"}).json()["token"] for i in range(20)]
    for how in "restart", "kill":
        control(how)
        for i, token in enumerate(tokens):
            held = web.get(f"{SHOP}/sessions/{token}")
            assert held.status_code == 200 and held.json()["user"] == f"user{i}"
        assert web.get(SHOP + "/board?count=1").json() == [{"player": "bob", "score": 30}]
        assert question("How can I return a broken teapot?")["from"] == "cache", "the index is there again"
        sent = len(web.get(MAILER + "/mails").json())
        # The mailer is subscribed again as soon as it has noticed.
        eventually(lambda: r.pubsub_numsub("orders")[0][1] == 1, errors=(redis.ConnectionError,))
        assert web.post(SHOP + "/orders", json={"user": "bob", "items": ["pot"]}).json()["heard"] == 1
        eventually(lambda: len(web.get(MAILER + "/mails").json()) == sent + 1)
    assert web.post(SHOP + "/views/home").json() == {"views": 81}
    shown("a restart of the server")


main()
