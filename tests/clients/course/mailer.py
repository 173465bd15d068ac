"""The second service: it hears of orders by pub/sub and writes the mail for each.

    REDIS_URL=redis://cache:6379/0 uvicorn mailer:app
"""

import asyncio
import contextlib
import json
import os

import redis.asyncio
from fastapi import FastAPI

cache = redis.asyncio.from_url(os.environ["REDIS_URL"], decode_responses=True)
mails = []
products = []


async def listen():
    pubsub = cache.pubsub()
    await pubsub.subscribe("orders", "products")
    while True:
        try:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
        except redis.ConnectionError:
            # The subscriptions are taken up again with the next connection.
            await asyncio.sleep(0.05)
            continue
        if message is None:
            continue
        event = json.loads(message["data"])
        if message["channel"] == "orders":
            mails.append(f"Order {event['order']} of {event['user']}: {', '.join(event['items'])}")
        else:
            products.append(event)


@contextlib.asynccontextmanager
async def life(_):
    task = asyncio.create_task(listen())
    yield
    task.cancel()


app = FastAPI(lifespan=life)


@app.get("/mails")
async def sent():
    return mails


@app.get("/products")
async def changed():
    return products
