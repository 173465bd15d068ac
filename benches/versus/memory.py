"""Memory: bytes of RSS for each item, and of a server without any."""

from itertools import islice

from servers import Server, encode, median


def strings(count):
    return (encode("SET", b"key:%012d" % n, b"value-of-thirty-two-bytes-%06d" % (n % 1_000_000)) for n in range(count))


def volatile(count):
    return (encode("SET", b"key:%012d" % n, b"v%07d" % (n % 10_000_000), "EX", 100_000) for n in range(count))


def integers(count):
    return (encode("SET", b"key:%012d" % n, n) for n in range(count))


def zset(count):
    return (encode("ZADD", "board", n, b"member:%09d" % n) for n in range(count))


def members(count):
    return (encode("SADD", "tags", b"member:%09d" % n) for n in range(count))


def hashes(count):
    fields = [word for n in range(5) for word in (f"field{n}", f"value-{n}")]
    return (encode("HSET", b"key:%012d" % n, *fields) for n in range(count))


def items(count):
    return (encode("RPUSH", "queue", b"item:%013d" % n) for n in range(count))


# Name, bar, load.
ROWS = [
    ("string: key of 16, value of 32 bytes", 0.60, strings),
    ("string with TTL: key of 16, value of 8", 0.60, volatile),
    ("integer", 0.60, integers),
    ("zset member", 0.60, zset),
    ("set member", 0.60, members),
    ("hash of 5 short fields", 0.80, hashes),
    ("list item of 18 bytes", 1.00, items),
]


def run(programs, count, only=None):
    """Bytes for each item: (name, bar, {server: bytes})."""
    for name, bar, load in ROWS:
        if only and not any(word in name for word in only):
            continue
        taken = {}
        for server_name, command in programs.items():
            with Server(server_name, command) as server:
                before = server.rss()
                server.client.load(load(count))
                taken[server_name] = (server.rss() - before) / count
        yield name, bar, taken


def growth(programs, count, only=None):
    """Bytes for each string while tables grow, at 30 counts from `count` to two and a half times as many: (name, bar, {server: bytes})."""
    if only and not any(word in "string" for word in only):
        return
    seen = {}
    for server_name, command in programs.items():
        with Server(server_name, command) as server:
            before, load, steps = server.rss(), strings(count * 5 // 2), []
            server.client.load(islice(load, count))
            for step in range(30):
                server.client.load(islice(load, count // 20))
                steps.append((server.rss() - before) / (count + (step + 1) * (count // 20)))
            seen[server_name] = steps
    yield "string, at the best count", 0.60, {name: min(steps) for name, steps in seen.items()}
    yield "string, at the worst count", 0.60, {name: max(steps) for name, steps in seen.items()}


def idle(programs, rounds):
    """RSS of a server without data, in bytes."""
    seen = {name: [] for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            with Server(name, command) as server:
                seen[name].append(server.rss())
    return {name: median(sizes) for name, sizes in seen.items()}
