"""The jobs that rq_workers.py asks for."""

import os
import time

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

r = redis.Redis.from_url(os.environ["REDIS_URL"], db=1, retry=Retry(ExponentialBackoff(base=0.05), 10))


def add(x, y):
    return x + y


def fails():
    raise ValueError("no luck")


def fails_twice():
    if r.incr("tries") < 3:
        raise ValueError("not yet")
    return "at last"


def slow(number, seconds):
    r.hincrby("begun", number, 1)
    time.sleep(seconds)
    r.hincrby("done", number, 1)
    return number
