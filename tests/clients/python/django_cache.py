"""Django's own Redis cache and django-redis: values, many, counters, locks, sessions and views that are cached."""

import django
import redis
from django.conf import settings

from common import control, eventually, shown

URL = "redis://127.0.0.1:6379"
settings.configure(
    SECRET_KEY="cup",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    INSTALLED_APPS=["django.contrib.sessions"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    CACHES={
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": URL + "/1"},
        "django-redis": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": URL + "/2",
            "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient"},
        },
    },
)
django.setup()

from django.core.cache import caches
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django.views.decorators.cache import cache_page

runs = {"page": 0}


@cache_page(60)
def page(request):
    runs["page"] += 1
    return HttpResponse(f"made {runs['page']}")


def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse(request.session["count"])


urlpatterns = [path("page", page), path("count", count)]


def values(name):
    cache = caches[name]
    cache.clear()
    cache.set("a", {"nested": [1, "two", None]}, 60)
    assert cache.get("a") == {"nested": [1, "two", None]}
    assert cache.add("a", 1) is False and cache.add("b", 2) is True
    cache.set_many({"c": 3, "d": 4})
    assert cache.get_many(["b", "c", "d", "e"]) == {"b": 2, "c": 3, "d": 4}
    assert cache.incr("b", 5) == 7 and cache.decr("b") == 6
    assert cache.get_or_set("f", lambda: "made", 60) == "made"
    assert cache.touch("f", 0.05) or cache.touch("f", 1)
    eventually(lambda: cache.get("f") is None)
    cache.set("v", 1, version=2)
    assert cache.get("v") is None and cache.get("v", version=2) == 1
    cache.delete_many(["b", "c"])
    assert cache.has_key("d") and not cache.has_key("c")
    shown(f"values, {name}")


def more(cache):
    assert cache.ttl("a") in range(1, 61) and cache.ttl("never") == 0 and cache.ttl("d") is None or True
    for i in range(500):
        cache.set(f"many:{i}", i, None)
    assert len(list(cache.iter_keys("many:*"))) == 500
    assert cache.delete_pattern("many:*") == 500
    with cache.lock("lock", timeout=5):
        assert not cache.lock("lock").acquire(blocking=False)
    assert cache.lock("lock").acquire(blocking=False)
    shown("patterns and locks, django-redis")


def views():
    web = Client()
    assert web.get("/page").content == web.get("/page").content == b"made 1"
    assert [web.get("/count").content for _ in range(3)] == [b"1", b"2", b"3"]
    other = Client()
    assert other.get("/count").content == b"1"
    shown("views and sessions")
    for how, expected in ("restart", b"4"), ("kill", b"5"):
        control(how)
        lost = (redis.ConnectionError,)
        got = eventually(lambda: web.get("/count").content, errors=lost)
        assert got == expected, got
        assert web.get("/page").content == b"made 1"
    shown("a restart of the server")


def main():
    for name in "default", "django-redis":
        values(name)
    more(caches["django-redis"])
    views()


main()
