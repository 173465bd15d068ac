"""Servers under test: the real redis-server, ours, and whatever else is named; each on one core."""

import os
import pathlib
import shlex
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = os.sysconf("SC_PAGE_SIZE")


class Cores:
    """What runs where: the server on one core, the load on others."""

    server, load = "0", ["1"]

    def take(self, listed):
        """Moves this process to the load's cores, and with it all loads that it starts: the server has its core to itself."""
        self.server, *self.load = listed.split(",")
        os.sched_setaffinity(0, {int(core) for core in self.load})

    def beside_two_workers(self):
        """What a second worker, which has the load's first core, leaves to the load: that core too where it is the only one."""
        return ",".join(self.load[1:] or self.load)

    def benchmark(self):
        """redis-benchmark, with a thread for each of the load's cores."""
        return ["redis-benchmark"] if len(self.load) == 1 else ["redis-benchmark", "--threads", str(len(self.load))]


CORES = Cores()


def programs(named):
    """Name and command of each server, the one that ratios refer to first."""
    found = {"redis-server": "redis-server", "vermilion": str(ROOT / "target/guided/vermilion")}
    for pair in named:
        name, _, command = pair.partition("=")
        found[name] = command
    return found


def beside_stack(named):
    """The same, with Redis Stack, which the environment's ORACLES names, in redis-server's place."""
    with open(os.environ["ORACLES"]) as lines:
        oracles = dict(line.strip().split("=", 1) for line in lines if "=" in line)
    found = programs(named)
    found.pop("redis-server")
    return {"redis-stack": oracles["redis-stack"], **found}


class Server:
    """A running server, with a folder of its own that goes when it stops."""

    def __init__(self, name, command, options=(), workers=1, folder=None):
        self.name = name
        self.folder = folder or tempfile.mkdtemp(prefix="versus-")
        self.keep = folder is not None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        cores = CORES.server if workers == 1 else f"{CORES.server},{CORES.load[0]}"
        line = ["taskset", "-c", cores, *shlex.split(command), "--port", str(self.port), "--bind", "127.0.0.1"]
        line += ["--dir", self.folder, "--io-threads", str(workers)]
        if "--save" not in options:
            line += ["--save", ""]
        started = time.perf_counter()
        self.child = subprocess.Popen([*line, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                client = Client(self.port)
                if client.ask("PING") == b"+PONG":
                    break
            except ConnectionRefusedError:
                pass
            if self.child.poll() is not None:
                raise SystemExit(f"{name} does not start: {' '.join(line)}")
            time.sleep(0.005)
        self.start_s = time.perf_counter() - started
        self.client = client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.child.kill()
        self.child.wait()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def cpu_us(self):
        """Processor time that the process has taken, in microseconds."""
        # What clock_getcpuclockid(3) gives for another process: /proc counts in ticks of ten milliseconds.
        clock = ~self.child.pid << 3 | 2
        return time.clock_gettime_ns(clock) / 1000

    def cpu_of(self, work):
        """Processor time for each of the operations that some work does, which says how many these are."""
        before = self.cpu_us()
        count = work()
        return (self.cpu_us() - before) / count

    def rss(self):
        return int(pathlib.Path(f"/proc/{self.child.pid}/statm").read_text().split()[1]) * PAGE


class Client:
    """A connection that knows just enough of RESP for a load."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.socket.makefile("rb", 1 << 16)

    def ask(self, *words):
        """The first line of the reply; bulk strings whole, elements of arrays read and dropped."""
        self.socket.sendall(encode(*words))
        return self.reply()

    def reply(self):
        line = self.lines.readline()[:-2]
        if line[:1] == b"$" and line != b"$-1":
            return self.lines.read(int(line[1:]) + 2)[:-2]
        if line[:1] == b"*":
            for _ in range(int(line[1:])):
                self.reply()
        return line

    def load(self, commands, batch=2000):
        """Runs commands whose replies are one line each."""
        chunk = []
        for command in commands:
            chunk.append(command)
            if len(chunk) == batch:
                self._send(chunk)
                chunk = []
        self._send(chunk)

    def _send(self, chunk):
        self.socket.sendall(b"".join(chunk))
        for _ in chunk:
            line = self.lines.readline()
            if line[:1] == b"-":
                raise SystemExit(f"a load failed: {line!r}")


class Asked(Client):
    """A client that gives back whole replies."""

    def whole(self, *words):
        self.socket.sendall(encode(*words))
        return self.read()

    def read(self):
        line = self.lines.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            return None if rest == b"-1" else self.lines.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind == b"-":
            raise SystemExit(f"a command failed: {line!r}")
        return int(rest) if kind == b":" else rest


def encode(*words):
    """A command as clients send it."""
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        out.append(b"$%d\r\n%b\r\n" % (len(word), word))
    return b"".join(out)


def median(values):
    return statistics.median(values)
