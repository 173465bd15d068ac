"""A decorator that keeps what a function returned for a while: the key is made of the function and its arguments."""

import functools
import hashlib
import json


def cached(redis, seconds):
    def decorate(function):
        @functools.wraps(function)
        async def asked(*args, **kwargs):
            words = json.dumps([args, kwargs], sort_keys=True, default=str)
            key = f"cache:{function.__name__}:{hashlib.sha256(words.encode()).hexdigest()[:16]}"
            kept = await redis.get(key)
            if kept is not None:
                return json.loads(kept)
            value = await function(*args, **kwargs)
            await redis.set(key, json.dumps(value), ex=seconds)
            return value

        return asked

    return decorate
