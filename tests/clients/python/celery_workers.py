"""Celery: results, retries, chains, chords, a beat, workers that are killed and a server that is restarted."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import redis
from celery import chain, chord, group
from celery.exceptions import TimeoutError as NoResult

from celery_tasks import add, app, fails, fails_twice, slow, total, url
from common import control, eventually, shown

HERE = pathlib.Path(__file__).resolve().parent
WORK = os.environ["CELL_DIRECTORY"]
r = redis.Redis.from_url(url + "/2", decode_responses=True)
LOST = (redis.ConnectionError,)


def start(*words):
    """Celery's own command, in a group of processes that can be killed together."""
    command = [sys.executable, "-m", "celery", "-A", "celery_tasks", *words, "--loglevel", "warning"]
    return subprocess.Popen(command, cwd=WORK, env=os.environ | {"PYTHONPATH": str(HERE)}, start_new_session=True)


def worker(name):
    return start("worker", "-c", "2", "-n", name, "--without-gossip", "--without-mingle")


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def results():
    assert add.delay(2, 3).get(timeout=60) == 5
    assert group(add.s(i, i) for i in range(50))().get(timeout=60) == [2 * i for i in range(50)]
    assert chain(add.s(1, 2), add.s(10), add.s(100))().get(timeout=60) == 113
    assert chord((add.s(i, 1) for i in range(20)), total.s())().get(timeout=60) == sum(range(1, 21))
    failed = fails.delay()
    try:
        failed.get(timeout=60)
        raise AssertionError("what a task raises is raised")
    except ValueError as error:
        assert str(error) == "no luck" and failed.state == "FAILURE"
    shown("results, groups, chains and chords")

    assert fails_twice.delay().get(timeout=60) == 2
    started = time.monotonic()
    assert add.apply_async((1, 1), countdown=1).get(timeout=60) == 2
    assert 0.9 < time.monotonic() - started
    lost = add.apply_async((1, 1), expires=-1)
    try:
        lost.get(timeout=1)
    except NoResult:
        pass
    except Exception:
        assert lost.state == "REVOKED"
    shown("retries and countdowns")


def control_commands():
    assert {list(answer.values())[0]["ok"] for answer in app.control.ping(timeout=2)} == {"pong"}
    tasks = app.control.inspect(timeout=2).registered()
    assert "celery_tasks.add" in list(tasks.values())[0]
    shown("remote control")


def killed(workers):
    jobs = [slow.delay(i, 0.4) for i in range(12)]
    for round in range(2):
        begun = r.hlen("begun")
        eventually(lambda: r.hlen("begun") > begun)
        # In the middle of tasks: one that was taken and not yet noted is lost with its worker, whatever the server.
        time.sleep(0.2)
        kill(workers[round])
        workers[round] = worker(f"again{round}@here")
    # Those that the killed ones had are given to others after the visibility timeout.
    assert sorted(job.get(timeout=30) for job in jobs) == list(range(12))
    assert r.hlen("done") == 12
    shown("workers killed in between")


def restarted():
    jobs = [slow.delay(100 + i, 0.4) for i in range(10)]
    # All four processes are busy, and no message is on its way.
    eventually(lambda: r.hlen("begun") >= 12 + 4)
    time.sleep(0.2)
    control("restart")
    assert [job.get(timeout=30) for job in jobs] == [100 + i for i in range(10)]
    assert add.delay(4, 4).get(timeout=30) == 8
    shown("a restart of the server")


def tell():
    """What lies where, for whoever reads the log of a failure."""
    for db in 0, 2:
        asked = redis.Redis.from_url(f"{url}/{db}", decode_responses=True)
        for key in sorted(asked.scan_iter()):
            kind = asked.type(key)
            reads = {"hash": asked.hgetall, "list": lambda k: asked.lrange(k, 0, -1), "zset": lambda k: asked.zrange(k, 0, -1, withscores=True)}
            print(db, key, str(reads.get(kind, lambda k: kind)(key))[:400], flush=True)


def main():
    workers = [worker("one@here"), worker("two@here")]
    beat = start("beat", "--schedule", f"{WORK}/beat")
    try:
        results()
        control_commands()
        eventually(lambda: int(r.get("beats") or 0) >= 3)
        kill(beat)
        shown("beat")
        killed(workers)
        restarted()
        workers[1].terminate()
        assert workers[1].wait(20) == 0
        shown("a warm shutdown")
    except BaseException:
        tell()
        raise
    finally:
        for process in [*workers, beat]:
            if process.poll() is None:
                kill(process)


main()
