"""Steadiness: the worst pause that a GET loop of one connection, in a process of its own, sees while something large happens."""

import gc
import multiprocessing
import os
import subprocess
import time

from servers import CORES, Client, Server, encode, median

MILLION = 1_000_000


def probe(port, stop, out):
    """GETs without a break, with the core whenever it wants it."""
    os.sched_setaffinity(0, {int(CORES.load[-1])})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except PermissionError:
        pass  # Then the load's own turns on the core are seen as pauses.
    gc.disable()
    client = Client(port)
    request = encode("GET", "probe")
    # The last of a sleep is too short for others to run; a loop without any would starve the load.
    worst = 0.0
    while not stop.is_set():
        began = time.perf_counter()
        client.socket.sendall(request)
        client.socket.recv(4096)
        worst = max(worst, time.perf_counter() - began)
        time.sleep(0.0001)
    out.put(worst * 1000)


def worst_during(server, act):
    """Milliseconds of the worst pause while `act` runs."""
    server.client.ask("SET", "probe", "x" * 32)
    context = multiprocessing.get_context("fork")
    stop, out = context.Event(), context.Queue()
    process = context.Process(target=probe, args=(server.port, stop, out))
    process.start()
    time.sleep(0.3)
    act()
    time.sleep(0.3)
    stop.set()
    worst = out.get()
    process.join()
    return worst


def strings(client, count, extra=()):
    client.load(encode("SET", b"key:%012d" % n, b"value-of-thirty-two-bytes-%06d" % (n % MILLION), *extra) for n in range(count))


def large(client, prefix="", count=MILLION):
    """A list, a hash, a set and a sorted set."""
    step = 1000
    for begin in range(0, count, step):
        names = [b"element:%09d" % n for n in range(begin, begin + step)]
        pairs = [word for name in names for word in (name, b"v")]
        scored = [word for n, name in enumerate(names, begin) for word in (n, name)]
        client.load([
            encode("RPUSH", f"{prefix}list", *names),
            encode("HSET", f"{prefix}hash", *pairs),
            encode("SADD", f"{prefix}set", *names),
            encode("ZADD", f"{prefix}zset", *scored),
        ])


KINDS = ("list", "hash", "set", "zset")


def nothing(server, scale):
    """What the machine shows by itself."""
    return worst_during(server, lambda: time.sleep(10 * scale))


def insert(server, scale):
    return worst_during(server, lambda: strings(server.client, int(5 * MILLION * scale)))


def delete(server, scale):
    large(server.client, count=int(MILLION * scale))
    return worst_during(server, lambda: server.client.ask("DEL", *KINDS))


def expire(server, scale):
    large(server.client, count=int(MILLION * scale))

    def act():
        for kind in KINDS:
            server.client.ask("PEXPIRE", kind, 200)
        time.sleep(1)

    return worst_during(server, act)


def overwrite(server, scale):
    large(server.client, count=int(MILLION * scale))
    return worst_during(server, lambda: [server.client.ask("SET", kind, "x") for kind in KINDS])


def writes(port, seconds):
    """Writers at work for a while, as processes of their own."""
    line = ["redis-benchmark", "-p", str(port), "-c", "50", "-P", "4", "-r", "1000000", "-n", str(int(seconds * 100_000))]
    return subprocess.Popen([*line, "-q", "-t", "set"], stdout=subprocess.DEVNULL)


def job(server, scale, command, field):
    strings(server.client, int(MILLION * scale))

    def act():
        load = writes(server.port, 4 * scale)
        server.client.ask(command)
        while f"{field}:1".encode() in server.client.ask("INFO", "persistence"):
            time.sleep(0.02)
        load.wait()

    return worst_during(server, act)


def bgsave(server, scale):
    return job(server, scale, "BGSAVE", "rdb_bgsave_in_progress")


def rewrite(server, scale):
    server.client.ask("CONFIG", "SET", "appendonly", "yes")
    time.sleep(0.5)
    return job(server, scale, "BGREWRITEAOF", "aof_rewrite_in_progress")


def due(server, scale):
    # All fall due within the same second, some seconds from now.
    at = int(time.time()) + 6 + int(10 * scale)
    count = int(MILLION * scale)
    server.client.load(encode("SET", b"key:%012d" % n, "v", "EXAT", at) for n in range(count))

    def act():
        time.sleep(max(at - time.time(), 0) + 1.5)

    return worst_during(server, act)


def keys(server, scale):
    strings(server.client, int(MILLION * scale))
    return worst_during(server, lambda: server.client.ask("KEYS", "*"))


def smembers(server, scale):
    large(server.client, count=int(MILLION * scale))
    return worst_during(server, lambda: server.client.ask("SMEMBERS", "set"))


def flushall(server, scale):
    strings(server.client, int(5 * MILLION * scale))
    large(server.client, count=int(MILLION * scale))
    return worst_during(server, lambda: server.client.ask("FLUSHALL"))


CASES = [
    ("nothing", nothing),
    ("inserting 5 million keys", insert),
    ("DEL of a list, hash, set, zset of a million", delete),
    ("the same expire", expire),
    ("the same are overwritten", overwrite),
    ("BGSAVE of a million keys under writes", bgsave),
    ("BGREWRITEAOF of a million keys under writes", rewrite),
    ("a million keys fall due in one second", due),
    ("KEYS over a million", keys),
    ("SMEMBERS of a million", smembers),
    ("FLUSHALL of it all", flushall),
]
BAR_MS = 5.0


def run(programs, rounds, scale, only=None):
    """Worst pauses in milliseconds, medians over rounds: (name, bar, {server: ms})."""
    for name, case in CASES:
        if only and not any(word in name for word in only):
            continue
        seen = {server: [] for server in programs}
        for _ in range(rounds):
            for server_name, command in programs.items():
                with Server(server_name, command) as server:
                    seen[server_name].append(case(server, scale))
        yield name, BAR_MS, {server: median(values) for server, values in seen.items()}


def starts(programs, rounds, scale):
    """Seconds until a server with 5 million keys answers, from a snapshot and from a log: {kind: {server: s}}."""
    import shutil
    import tempfile

    count = int(5 * MILLION * scale)
    result = {}
    for kind, options in [("RDB", []), ("AOF", ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"])]:
        folder = tempfile.mkdtemp(prefix="versus-")
        maker = programs["redis-server"]
        with Server("maker", maker, options, folder=folder) as server:
            strings(server.client, count)
            if kind == "RDB":
                server.client.ask("SAVE")
            time.sleep(1.5)
        seen = {name: [] for name in programs}
        for _ in range(rounds):
            for name, command in programs.items():
                with Server(name, command, options, folder=folder) as server:
                    assert int(server.client.ask("DBSIZE")[1:]) == count
                    seen[name].append(server.start_s)
        result[kind] = {name: median(times) for name, times in seen.items()}
        shutil.rmtree(folder)
    return result
