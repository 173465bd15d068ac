"""Flask-Caching with its Redis backend: views, functions by their arguments, and forgetting."""

import redis
from flask import Flask, request
from flask_caching import Cache

from common import control, eventually, shown

app = Flask(__name__)
cache = Cache(app, config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": "redis://127.0.0.1:6379/3", "CACHE_DEFAULT_TIMEOUT": 60})
runs = {"view": 0, "search": 0, "function": 0}


@app.get("/view")
@cache.cached(timeout=1)
def view():
    runs["view"] += 1
    return str(runs["view"])


@app.get("/search")
@cache.cached(query_string=True)
def search():
    runs["search"] += 1
    return f"{request.args['q']} {runs['search']}"


@cache.memoize()
def double(n):
    runs["function"] += 1
    return {"n": n, "double": 2 * n}


def main():
    web = app.test_client()
    assert [web.get("/view").text for _ in range(3)] == ["1"] * 3
    eventually(lambda: web.get("/view").text == "2")
    assert [web.get("/search?q=" + q).text for q in "abab"] == ["a 1", "b 2", "a 1", "b 2"]
    shown("views")

    with app.app_context():
        assert [double(n) for n in (1, 2, 1, 2)] == [{"n": n, "double": 2 * n} for n in (1, 2, 1, 2)] and runs["function"] == 2
        cache.delete_memoized(double, 1)
        assert double(1)["double"] == 2 and double(2)["double"] == 4 and runs["function"] == 3
        cache.delete_memoized(double)
        assert double(2)["double"] == 4 and runs["function"] == 4
        assert cache.set_many({"a": 1, "b": [2]}) and cache.get_many("a", "b", "c") == [1, [2], None]
        assert cache.inc("a", 5) if hasattr(cache, "inc") else True
        assert cache.delete_many("a", "b")
    shown("functions")

    for how in "restart", "kill":
        control(how)
        assert eventually(lambda: web.get("/search?q=a").text, errors=(redis.ConnectionError,)) == "a 1"
    cache.clear()
    assert web.get("/search?q=a").text == "a 3"
    shown("a restart of the server")


main()
