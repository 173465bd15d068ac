"""Processor time of the server for one operation, and what the load generator saw."""

import re
import subprocess

from servers import CORES, Client, Server, encode, median

# Keys are drawn from a million, which are there before: more than any cache holds.
KEYS = ["-r", "1000000"]
# Name, bar, operations (in thousands, of a normal run), redis-benchmark's arguments.
ROWS = [
    ("GET -P 16", 0.50, 1000, ["-P", "16", *KEYS, "-t", "get"]),
    ("SET -P 16", 0.50, 1000, ["-P", "16", *KEYS, "-d", "32", "-t", "set"]),
    ("INCR -P 16", 0.50, 1000, ["-P", "16", *KEYS, "-t", "incr"]),
    ("SET EX -P 16", 0.50, 1000, ["-P", "16", *KEYS, "SET", "key:__rand_int__", "x" * 32, "EX", "1000"]),
    ("GET -P 100", 0.35, 2000, ["-P", "100", *KEYS, "-t", "get"]),
    ("LPUSH -P 16", 0.60, 1000, ["-P", "16", "-t", "lpush"]),
    ("RPOP -P 16", 0.60, 1000, ["-P", "16", "-t", "rpop"]),
    ("SADD -P 16", 0.60, 1000, ["-P", "16", *KEYS, "-t", "sadd"]),
    ("HSET -P 16", 0.60, 1000, ["-P", "16", *KEYS, "-t", "hset"]),
    ("ZADD -P 16", 0.60, 1000, ["-P", "16", *KEYS, "-t", "zadd"]),
    ("PING -P 1", 0.90, 200, ["-t", "ping_mbulk"]),
    ("GET -P 1", 0.90, 200, [*KEYS, "-t", "get"]),
    ("SET -P 1", 0.90, 200, [*KEYS, "-t", "set"]),
    ("LRANGE 100 -P 16", 0.70, 200, ["-P", "16", "LRANGE", "list", "0", "99"]),
    ("ZRANGE 100 WITHSCORES -P 16", 0.70, 100, ["-P", "16", "ZRANGE", "zset", "0", "99", "WITHSCORES"]),
    ("MSET 10 -P 16", 0.70, 200, ["-P", "16", *KEYS, "-t", "mset"]),
    ("GET of 4 KB -P 16", 0.70, 200, ["-P", "16", "GET", "large"]),
    ("EVALSHA -P 16", 1.00, 200, None),
]
# What looks at the whole keyspace: of one connection, over 20,000 keys. Name, bar, operations (in thousands), the command.
WHOLE = [
    ("SCAN", 1.00, 200, ["SCAN", "__rand_int__"]),
    ("DBSIZE", 1.20, 200, ["DBSIZE"]),
    ("RANDOMKEY", 1.20, 200, ["RANDOMKEY"]),
    ("INFO", 1.50, 20, ["INFO"]),
]
SCRIPT = "local n = redis.call('INCR', KEYS[1]) if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end return n"


def prepare(server):
    """What some rows read."""
    client = server.client
    client.ask("RPUSH", "list", *(f"element:{n}" for n in range(200)))
    client.ask("ZADD", "zset", *(word for n in range(200) for word in (n, f"member:{n}")))
    client.ask("SET", "large", "x" * 4096)
    client.load(encode("SET", b"key:%012d" % n, "x" * 32) for n in range(1_000_000))
    client.load(encode("SET", b"counter:%012d" % n, n) for n in range(1_000_000))
    server.sha = client.ask("SCRIPT", "LOAD", SCRIPT).decode()


def once(server, count, arguments, clients=50, at=None):
    """One run: requests a second, server microseconds for each, and latencies (p50, p99, worst) in milliseconds. `at` names
    another door than the plain port."""
    if arguments is None:
        arguments = ["-P", "16", *KEYS, "EVALSHA", server.sha, "1", "limit:__rand_int__", "60"]
    before = server.cpu_us()
    line = [*CORES.benchmark(), *(at or ["-p", str(server.port)]), "-c", str(clients), "-n", str(count)]
    ran = subprocess.run([*line, "--csv", *arguments], capture_output=True, text=True, check=True)
    row = re.findall(r'"([^"]*)"', ran.stdout.strip().splitlines()[-1])
    rate, _, _, p50, _, p99, worst = (float(field) for field in row[1:8])
    return rate, (server.cpu_us() - before) / count, p50, p99, worst


def compare(running, row, rounds, scale):
    """One row: medians for each server, rounds in turn."""
    name, _, thousands, arguments = row
    count = int(thousands * 1000 * scale)
    seen = {server.name: [] for server in running}
    for _ in range(rounds):
        for server in running:
            if name.startswith("RPOP"):
                server.client.load(encode("RPUSH", "mylist", *["xxx"] * 100) for _ in range(count // 100 + 1))
            seen[server.name].append(once(server, count, arguments))
            if name.startswith(("LPUSH", "RPOP")):
                server.client.ask("DEL", "mylist")
    return {name: [median(column) for column in zip(*runs)] for name, runs in seen.items()}


def run(programs, rounds, scale, options=(), only=None):
    """All rows: (name, bar, {server: [rate, cpu, p50, p99, worst]})."""
    running = [Server(name, command, options) for name, command in programs.items()]
    try:
        for server in running:
            prepare(server)
        for row in ROWS:
            if only and not any(word in row[0] for word in only):
                continue
            yield row[0], row[1], compare(running, row, rounds, scale)
    finally:
        for server in running:
            server.stop()


def whole(programs, rounds, scale, only=None):
    """Server microseconds for each command that looks at the whole keyspace: (name, bar, {server: cpu})."""
    running = [Server(name, command) for name, command in programs.items()]
    try:
        for server in running:
            server.client.load(encode("SET", b"key:%012d" % n, "x" * 32) for n in range(20_000))
        for name, bar, thousands, words in WHOLE:
            if only and not any(word in name for word in only):
                continue
            for pipeline in ("1", "16"):
                seen = {server.name: [] for server in running}
                for _ in range(rounds):
                    for server in running:
                        # Cursors as walks have them: of shards and positions here, of buckets there.
                        arguments = ["-P", pipeline, "-r", "16384", *words]
                        seen[server.name].append(once(server, int(thousands * 1000 * scale), arguments, clients=1)[1])
                yield f"{name} -P {pipeline}", bar, {name: median(costs) for name, costs in seen.items()}
    finally:
        for server in running:
            server.stop()


def commits(programs, rounds, scale, pipeline):
    """SETs a second with `appendfsync always` and 64 clients that have so many under way each."""
    options = ["--appendonly", "yes", "--appendfsync", "always"]
    seen = {name: [] for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            with Server(name, command, options) as server:
                rate, *_ = once(server, int(200_000 * scale), ["-P", str(pipeline), *KEYS, "-t", "set"], clients=64)
                seen[name].append(rate)
    return {name: median(rates) for name, rates in seen.items()}


def deliveries(programs, rounds, scale, subscribers):
    """Server microseconds for each message delivered to one of so many subscribers."""
    seen = {name: [] for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            with Server(name, command) as server:
                seen[name].append(_deliver(server, subscribers, int(200_000 * scale)))
    return {name: median(costs) for name, costs in seen.items()}


def _deliver(server, subscribers, messages):
    import selectors

    readers = [Client(server.port) for _ in range(subscribers)]
    for reader in readers:
        reader.ask("SUBSCRIBE", "events")
        reader.socket.setblocking(False)
    selector = selectors.DefaultSelector()
    for reader in readers:
        selector.register(reader.socket, selectors.EVENT_READ)
    message = encode("PUBLISH", "events", "x" * 32)
    size = len(b"*3\r\n$7\r\nmessage\r\n$6\r\nevents\r\n$32\r\n\r\n") + 32
    published = max(messages // subscribers, 100)
    wanted = published * subscribers * size
    # In batches, so that no reader falls behind its buffer's limit.
    batch, got, sent = 50, 0, 0
    before = server.cpu_us()
    while sent < published:
        server.client.socket.sendall(message * batch)
        sent += batch
        due = sent * subscribers * size
        while got < due:
            for key, _ in selector.select():
                got += len(key.fileobj.recv(1 << 18))
        for _ in range(batch):
            server.client.lines.readline()
    assert got >= wanted
    spent = server.cpu_us() - before
    for reader in readers:
        reader.socket.close()
    return spent / (sent * subscribers)


def workers(programs, rounds, scale):
    """Our own processor time for one SET and GET, with one and two workers under two load generators."""
    command = programs["vermilion"]
    seen = {1: [], 2: []}
    for _ in range(rounds):
        for count in seen:
            with Server("vermilion", command, workers=count) as server:
                prepare(server)
                number = int(500_000 * scale)
                before = server.cpu_us()
                line = ["taskset", "-c", CORES.beside_two_workers(), "redis-benchmark", "-p", str(server.port)]
                line += ["-c", "25", "-n", str(number), "-P", "16", *KEYS, "-q"]
                loads = [subprocess.Popen([*line, "-t", kind], stdout=subprocess.DEVNULL) for kind in ("get", "set")]
                for load in loads:
                    load.wait()
                seen[count].append((server.cpu_us() - before) / (2 * number))
    return {count: median(costs) for count, costs in seen.items()}
