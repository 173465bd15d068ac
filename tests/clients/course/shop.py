"""A shop's API: cached reports, products kept beside the database, sessions, a rate limit, events, counters, a board, and
questions that a slow model answers once.

    REDIS_URL=redis://cache:6379/0 uvicorn shop:app
"""

import asyncio
import contextlib
import json
import os
import secrets
import time
import uuid

import redis.asyncio
from answers import Answers
from caching import cached
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

LIMIT = 100
WINDOW = 60
SESSION_SECONDS = 1800

@contextlib.asynccontextmanager
async def started(_):
    await answers.prepare()
    yield


app = FastAPI(lifespan=started)
# Without a policy, clients made of a URL ask once: a request that meets a restart would be lost.
policy = Retry(ExponentialBackoff(), 5)
cache = redis.asyncio.from_url(os.environ["REDIS_URL"], decode_responses=True, retry=policy)

# The database behind the cache, which counts how often it was asked.
database = {"1": {"name": "teapot", "price": 20}, "2": {"name": "cup", "price": 5}}
asked = {"database": 0, "report": 0, "model": 0}
answers = Answers(cache)


@app.middleware("http")
async def limit(request: Request, call_next):
    """A sliding window for each caller that names itself: the 101st request within a minute is refused."""
    caller = request.headers.get("x-api-key")
    if caller:
        key, now = f"rate:{caller}", time.time()
        async with cache.pipeline(transaction=True) as pipe:
            pipe.zremrangebyscore(key, 0, now - WINDOW)
            pipe.zcard(key)
            pipe.zadd(key, {uuid.uuid4().hex: now})
            pipe.expire(key, WINDOW)
            _, before, _, _ = await pipe.execute()
        if before >= LIMIT:
            return JSONResponse({"detail": "Too many requests"}, status_code=429, headers={"Retry-After": str(WINDOW)})
    return await call_next(request)


@app.get("/health")
async def health():
    return {"redis": await cache.ping()}


@cached(cache, seconds=60)
async def sales(year: int, region: str = "all"):
    asked["report"] += 1
    await asyncio.sleep(0.05)
    return {"year": year, "region": region, "sold": year * 3, "run": asked["report"]}


@app.get("/report/{year}")
async def report(year: int, region: str = "all"):
    return await sales(year, region=region)


@app.get("/products/{number}")
async def product(number: str):
    key = f"product:{number}"
    kept = await cache.get(key)
    if kept is not None:
        return json.loads(kept) | {"from": "cache"}
    asked["database"] += 1
    if number not in database:
        raise HTTPException(404)
    await cache.set(key, json.dumps(database[number]), ex=300)
    return database[number] | {"from": "database"}


@app.put("/products/{number}")
async def update(number: str, request: Request):
    database[number] = await request.json()
    await cache.delete(f"product:{number}")
    await cache.publish("products", json.dumps({"event": "updated", "number": number, "product": database[number]}))
    return database[number]


@app.post("/sessions", status_code=201)
async def log_in(request: Request):
    token = secrets.token_urlsafe(16)
    user = (await request.json())["user"]
    async with cache.pipeline(transaction=True) as pipe:
        pipe.hset(f"session:{token}", mapping={"user": user, "seen": 0})
        pipe.expire(f"session:{token}", SESSION_SECONDS)
        await pipe.execute()
    return {"token": token}


@app.get("/sessions/{token}")
async def session(token: str):
    key = f"session:{token}"
    held = await cache.hgetall(key)
    if not held:
        raise HTTPException(401)
    async with cache.pipeline(transaction=True) as pipe:
        # Who comes back keeps the session: it ends half an hour after the last request.
        pipe.hincrby(key, "seen", 1)
        pipe.expire(key, SESSION_SECONDS)
        pipe.ttl(key)
        seen, _, left = await pipe.execute()
    return {"user": held["user"], "seen": seen, "left": left}


@app.delete("/sessions/{token}", status_code=204)
async def log_out(token: str):
    if not await cache.delete(f"session:{token}"):
        raise HTTPException(401)


@app.post("/orders", status_code=201)
async def order(request: Request):
    wanted = await request.json()
    number = await cache.incr("orders:count")
    heard = await cache.publish("orders", json.dumps({"order": number, **wanted}))
    return {"order": number, "heard": heard}


@app.post("/views/{page}")
async def view(page: str):
    return {"views": await cache.incr(f"views:{page}")}


@app.post("/scores/{player}")
async def score(player: str, request: Request):
    points = (await request.json())["points"]
    if (await request.json()).get("best"):
        await cache.zadd("board", {player: points}, gt=True)
    else:
        await cache.zincrby("board", points, player)
    return {"score": await cache.zscore("board", player), "rank": await cache.zrevrank("board", player)}


@app.get("/board")
async def board(count: int = 10):
    best = await cache.zrange("board", 0, count - 1, desc=True, withscores=True)
    return [{"player": player, "score": points} for player, points in best]


async def model(question):
    """In the place of a language model, which takes seconds and costs money."""
    asked["model"] += 1
    await asyncio.sleep(0.2)
    return f"Answer {asked['model']} to: {question}"


@app.post("/questions")
async def question(request: Request):
    wanted = await request.json()
    text, language = wanted["question"], wanted.get("language", "english")
    held = await answers.find(text, language)
    if held:
        return {"answer": held.answer, "from": "cache", "asked": held.question}
    answer = await model(text)
    await answers.keep(text, language, answer)
    return {"answer": answer, "from": "model", "asked": text}


@app.get("/asked")
async def how_often():
    return asked
