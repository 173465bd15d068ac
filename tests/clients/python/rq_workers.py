"""RQ: results, dependencies, retries, schedules, workers that are killed and a server that is restarted."""

import datetime
import os
import pathlib
import signal
import subprocess
import sys
import time

import redis
from rq import Queue, Retry
from rq.job import Job, JobStatus

import rq_tasks
from common import control, eventually, shown

HERE = pathlib.Path(__file__).resolve().parent
LOST = (redis.ConnectionError, redis.TimeoutError)
connection = redis.Redis()
queue = Queue(connection=connection)


def worker():
    """RQ's own command, in a group of processes that can be killed together."""
    command = [sys.executable, "-m", "rq.cli", "worker", "--with-scheduler", "--url", os.environ["REDIS_URL"]]
    command += ["--worker-ttl", "20", "--maintenance-interval", "1", "--logging_level", "WARNING"]
    return subprocess.Popen(command, cwd=HERE, env=os.environ | {"PYTHONPATH": str(HERE)}, start_new_session=True)


def kill(process):
    """The worker, and what it has forked for its job, which leads a group of its own."""
    forked = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in map(int, forked):
        os.kill(pid, signal.SIGKILL)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def finished(job, seconds=60):
    eventually(lambda: job.get_status(refresh=True) in (JobStatus.FINISHED, JobStatus.FAILED), seconds, LOST)
    return job.get_status() == JobStatus.FINISHED


def results():
    jobs = [queue.enqueue(rq_tasks.add, i, i) for i in range(10)]
    assert all(map(finished, jobs)) and [job.return_value() for job in jobs] == [2 * i for i in range(10)]
    first = queue.enqueue(rq_tasks.add, 1, 2)
    second = queue.enqueue(rq_tasks.add, 10, 20, depends_on=first)
    assert finished(second) and finished(first)
    first.refresh()
    second.refresh()
    assert first.ended_at <= second.started_at and second.return_value() == 30
    job = queue.enqueue(rq_tasks.fails)
    assert not finished(job) and "no luck" in job.latest_result().exc_string
    assert job.id in queue.failed_job_registry.get_job_ids()
    job = queue.enqueue(rq_tasks.fails_twice, retry=Retry(max=3))
    assert finished(job) and job.return_value() == "at last"
    shown("results, dependencies and retries")


def schedules():
    job = queue.enqueue_in(datetime.timedelta(seconds=1), rq_tasks.add, 3, 4)
    assert job.get_status() == JobStatus.SCHEDULED
    assert finished(job) and job.return_value() == 7
    shown("schedules")


def settle(jobs):
    """Waits for all; what a dead worker or connection left begun is given back as it would be when its heartbeat runs out."""

    def settled():
        if all(job.get_status(refresh=True) == JobStatus.FINISHED for job in jobs):
            return True
        if time.monotonic() > look[0]:
            look[0] = time.monotonic() + 4
            queue.started_job_registry.cleanup(timestamp=time.time() + 3600)
        return False

    look = [time.monotonic() + 4]
    eventually(settled, 60, LOST)


def killed(workers):
    jobs = [queue.enqueue(rq_tasks.slow, i, 0.4, retry=Retry(max=10)) for i in range(8)]
    for round in range(2):
        begun = rq_tasks.r.hlen("begun")
        eventually(lambda: rq_tasks.r.hlen("begun") > begun)
        # In the middle of a job: between two of them RQ itself takes a minute to find one that was taken and not begun.
        time.sleep(0.2)
        kill(workers[round])
        workers[round] = worker()
    settle(jobs)
    assert rq_tasks.r.hlen("done") == 8
    assert sum(map(int, rq_tasks.r.hvals("begun"))) > 8, "a job was begun again after its worker was killed"
    shown("workers killed in between")


def restarted():
    jobs = [queue.enqueue(rq_tasks.slow, 100 + i, 0.4, retry=Retry(max=10)) for i in range(8)]
    eventually(lambda: rq_tasks.r.hlen("begun") >= 8 + 4)
    time.sleep(0.2)
    control("restart")
    settle(jobs)
    fetched = Job.fetch_many([job.id for job in jobs], connection=connection)
    assert sorted(job.return_value() for job in fetched) == list(range(100, 108))
    shown("a restart of the server")


def main():
    workers = [worker(), worker()]
    try:
        results()
        schedules()
        killed(workers)
        restarted()
        workers[0].terminate()
        assert workers[0].wait(20) == 0
        shown("a warm shutdown")
    finally:
        for process in workers:
            if process.poll() is None:
                kill(process)


main()
