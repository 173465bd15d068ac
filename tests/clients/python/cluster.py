"""A cluster's client: at a node that is all of its cluster, and at six nodes through a reshard, a failover by hand and a
killed primary, with a count of what was confirmed. It is redis-py's RedisCluster, or that of a PROGRAM.

    cluster.py [PROGRAM ...] SERVER

PROGRAM gets the port of a node. It increments `count:0` to `count:96` in turn, and prints now and then how many increments were
confirmed and how many failed. Once its input ends, it stops, and prints `total` and the sum of all counts.
"""

import atexit
import contextlib
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading

import redis
from redis.cluster import ClusterNode, RedisCluster

from common import eventually, fail, shown

*PROGRAM, SERVER = sys.argv[1:]
KEYS = 97


def free_port():
    """A port whose bus, ten thousand above, is free as well."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if port < 50000:
                with contextlib.suppress(OSError):
                    other.bind(("127.0.0.1", port + 10000))
                    return port


class Node:
    def __init__(self, *options):
        self.port = free_port()
        folder = pathlib.Path(tempfile.mkdtemp())
        command = [SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        log = open(folder / "log", "wb")
        more = ["--cluster-enabled", "yes", "--cluster-node-timeout", "3000", *options]
        self.process = subprocess.Popen(command + more, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        atexit.register(self.process.kill)
        self.client = redis.Redis(port=self.port, decode_responses=True)
        eventually(self.client.ping, errors=(redis.ConnectionError,))

    def ask(self, *words):
        return self.client.execute_command(*words)


def cli(*words):
    return subprocess.run(["redis-cli", *map(str, words)], check=True, capture_output=True, text=True, timeout=110).stdout


def lone():
    node = Node("--cluster-lone-node", "yes")
    one = RedisCluster(host="127.0.0.1", port=node.port, decode_responses=True)
    assert one.set("a", 1) and one.get("a") == "1"
    with one.pipeline() as pipeline:
        for n in range(100):
            pipeline.set(f"key:{n}", n)
        assert all(pipeline.execute())
    assert one.dbsize() == 101 and len(one.keys()) == 101
    channels = one.pubsub()
    channels.ssubscribe("channel")
    assert eventually(lambda: channels.get_sharded_message(timeout=1))["type"] == "ssubscribe"
    assert one.spublish("channel", "hello") == 1
    assert eventually(lambda: channels.get_sharded_message(timeout=1))["data"] == "hello"
    # What a cluster forbids.
    plain = redis.Redis(port=node.port, db=3, decode_responses=True)
    assert plain.mset({"x": 1, "y": 2}) and plain.mget("x", "y") == ["1", "2"]
    shown("lone")


class Counter(threading.Thread):
    """Counts up, and notes what was confirmed."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.client = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port)], decode_responses=True)
        self.confirmed, self.unsure, self.over = 0, 0, False

    def run(self):
        try:
            while not self.over:
                try:
                    self.client.incr(f"count:{(self.confirmed + self.unsure) % KEYS}")
                    self.confirmed += 1
                except redis.RedisError:
                    # It may have been done, or not.
                    self.unsure += 1
        except BaseException:
            fail()

    def stop(self):
        self.over = True
        self.join()

    def goes_on(self):
        before = self.confirmed
        eventually(lambda: self.confirmed > before + 100, seconds=60)

    def total(self):
        return sum(int(self.client.get(f"count:{n}") or 0) for n in range(KEYS))


class OtherCounter(threading.Thread):
    """A program that counts up."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.process = subprocess.Popen([*PROGRAM, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        self.confirmed, self.unsure, self.counted = 0, 0, None

    def run(self):
        for line in self.process.stdout:
            words = line.split()
            if words[0] == "total":
                self.counted = int(words[1])
            else:
                self.confirmed, self.unsure = map(int, words)
        if self.counted is None:
            print("the program has ended", file=sys.stderr)
            fail()

    goes_on = Counter.goes_on

    def stop(self):
        self.process.stdin.close()
        self.join()

    def total(self):
        return self.counted


def agreed(nodes):
    def all_ok():
        return all("cluster_state:ok" in cli("-p", node.port, "cluster", "info") for node in nodes)

    eventually(all_ok, seconds=60)


def main():
    if not PROGRAM:
        lone()
    nodes = [Node() for _ in range(6)]
    addresses = [f"127.0.0.1:{node.port}" for node in nodes]
    cli("--cluster", "create", *addresses, "--cluster-replicas", 1, "--cluster-yes")
    agreed(nodes)
    ids = [node.ask("CLUSTER MYID") for node in nodes]
    counter = (OtherCounter if PROGRAM else Counter)(nodes[0].port)
    counter.start()
    counter.goes_on()
    cli("--cluster", "reshard", addresses[0], "--cluster-from", ids[0], "--cluster-to", ids[1], "--cluster-slots", 40, "--cluster-yes")
    counter.goes_on()
    assert counter.unsure == 0
    shown("reshard")

    def copies():
        lines = cli("-p", nodes[0].port, "cluster", "nodes").splitlines()
        return [line.split()[0] for line in lines if ids[0] in line and "slave" in line]

    # A node may hear of its replica later than of its slots.
    copy = nodes[ids.index(eventually(copies)[0])]
    eventually(lambda: copy.client.info("replication")["master_link_status"] == "up")
    cli("-p", copy.port, "cluster", "failover")
    eventually(lambda: copy.client.info("replication")["role"] == "master")
    counter.goes_on()
    assert counter.unsure == 0
    shown("failover")
    nodes[1].process.kill()
    nodes[1].process.wait()
    rest = [node for node in nodes if node is not nodes[1]]
    counter.goes_on()

    def replaced():
        return all(str(nodes[1].port) not in cli("-p", node.port, "cluster", "slots").split() for node in rest)

    # Until they know that it is dead, all seems well to the others.
    eventually(replaced, seconds=60)
    agreed(rest)
    counter.goes_on()
    counter.stop()
    total = counter.total()
    # A primary that is killed may take with it what no replica had yet.
    assert total <= counter.confirmed + counter.unsure, (total, counter.confirmed, counter.unsure)
    shown("killed")


main()
