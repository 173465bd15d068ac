"""The tasks that celery_workers.py asks for, with broker and results in one server."""

import os
import time

import redis
from celery import Celery
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

url = os.environ["REDIS_URL"]
app = Celery("tasks", broker=url + "/0", backend=url + "/1")
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    # What a killed worker held is given to another within seconds, not after an hour.
    broker_transport_options={
        "visibility_timeout": 2,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 2,
    },
    # A result that meets a restart is stored afterwards.
    result_backend_always_retry=True,
    result_backend_max_retries=100,
    result_backend_base_sleep_between_retries_ms=50,
    result_backend_max_sleep_between_retries_ms=200,
    task_publish_retry_policy={"max_retries": 50, "interval_start": 0.05, "interval_step": 0.05, "interval_max": 0.2},
    beat_schedule={"beat": {"task": "celery_tasks.beat", "schedule": 0.3}},
    beat_max_loop_interval=0.1,
)


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def fails_twice(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task
def fails():
    raise ValueError("no luck")


@app.task(autoretry_for=(redis.ConnectionError,), max_retries=20, default_retry_delay=0.2)
def slow(number, seconds):
    """Says that it has begun, so that its worker can be killed meanwhile."""
    r = redis.Redis.from_url(url + "/2", retry=Retry(ExponentialBackoff(base=0.05), 10))
    r.hincrby("begun", number, 1)
    time.sleep(seconds)
    r.hincrby("done", number, 1)
    return number


@app.task
def beat():
    redis.Redis.from_url(url + "/2").incr("beats")
