"""What monitoring and graphical tools ask: redis_exporter itself, and RedisInsight's sequences.

    tools.py EXPORTER
"""

import subprocess
import sys
import threading
import urllib.request

import redis

from common import eventually, shown

r = redis.Redis(decode_responses=True)
METRICS = "http://127.0.0.1:9121/metrics"


def fill():
    pipe = r.pipeline()
    for i in range(300):
        pipe.set(f"text:{i}", "x" * i)
    pipe.hset("hash", mapping={f"f{i}": i for i in range(50)})
    pipe.rpush("list", *range(100))
    pipe.sadd("set", *range(100))
    pipe.zadd("zset", {str(i): i for i in range(100)})
    pipe.execute()
    for i in range(20):
        r.xadd("stream", {"n": i})
    r.xgroup_create("stream", "group", "0")
    r.xreadgroup("group", "ann", {"stream": ">"}, count=5)
    r.expire("text:1", 1000)


def exporter(program):
    """redis_exporter, from its own package, finds what its dashboards show."""
    options = ["--redis.addr", "redis://127.0.0.1:6379", "--check-keys", "hash,zset,db0=text:*", "--check-streams", "stream"]
    options += ["--include-system-metrics", "--export-client-list", "--export-client-port", "--ping-on-connect", "--set-client-name"]
    process = subprocess.Popen([program, *options])
    try:
        metrics = eventually(lambda: urllib.request.urlopen(METRICS, timeout=10).read().decode(), errors=(OSError,))
    finally:
        process.terminate()
        process.wait(10)
    found = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line and not line.startswith("#"))
    # What one field lacks or can't be read as a number would be missing here.
    exact = {
        "redis_up": 1,
        "redis_exporter_last_scrape_error": 0,
        'redis_db_keys{db="db0"}': 305,
        'redis_db_keys_expiring{db="db0"}': 1,
        'redis_key_size{db="db0",key="zset"}': 100,
        'redis_stream_length{db="db0",stream="stream"}': 20,
        'redis_stream_group_messages_pending{db="db0",group="group",stream="stream"}': 5,
    }
    for name, value in exact.items():
        got = [text for key, text in found.items() if key == name or key.startswith(name + "{err=")]
        assert got and float(got[0]) == value, f"{name}: {got}"
    for name in (
        *["uptime_in_seconds", "connected_clients", "memory_used_bytes", "memory_max_bytes", "mem_fragmentation_ratio"],
        *["commands_processed_total", "keyspace_hits_total", "expired_keys_total", "evicted_keys_total"],
        *["rdb_changes_since_last_save", "rdb_last_bgsave_status", "aof_enabled", "config_maxclients", "slowlog_length"],
        *["net_input_bytes_total", "cpu_sys_seconds_total", "blocked_clients", "pubsub_channels"],
    ):
        assert f"redis_{name}" in found, f"redis_{name} is missing"
    for start in 'redis_instance_info{', 'redis_commands_total{cmd="xadd"', 'redis_commands_duration_seconds_total{cmd="hset"', "redis_connected_clients_details{":
        assert any(name.startswith(start) for name in found), f"{start} is missing"
    shown("redis_exporter")


def insight():
    """RedisInsight: connect, overview, browser, details, slow log, profiler, pub/sub, workbench."""
    r.client_setname("redisinsight-browser")
    info = r.info()
    for field in (
        *["redis_version", "uptime_in_seconds", "connected_clients", "used_memory", "total_commands_processed", "role"],
        *["instantaneous_ops_per_sec", "instantaneous_input_kbps", "keyspace_hits", "keyspace_misses", "os", "tcp_port", "db0"],
    ):
        assert field in info, field
    # What a server without modules, clusters and newer commands answers with an error, it goes on without.
    for words in ("MODULE", "LIST"), ("CLUSTER", "INFO"), ("FT._LIST",), ("CLIENT", "MAINT_NOTIFICATIONS", "ON"), ("JSON.TYPE", "hash"):
        try:
            r.execute_command(*words)
        except redis.ResponseError:
            pass
    assert r.ping(), "errors leave the connection open"
    assert len(r.execute_command("COMMAND")) > 200 and r.command_count() > 200
    assert "get" in str(r.execute_command("COMMAND DOCS", "get")).lower()
    assert int(r.config_get("databases")["databases"]) == 16

    seen, cursor = {}, 0
    while True:
        cursor, keys = r.scan(cursor, count=100)
        pipe = r.pipeline(transaction=False)
        for key in keys:
            pipe.type(key).ttl(key).memory_usage(key, samples=0)
        answers = pipe.execute()
        seen |= {key: answers[3 * i : 3 * i + 3] for i, key in enumerate(keys)}
        if not cursor:
            break
    assert len(seen) == 305 and all(size > 0 for _, _, size in seen.values())
    assert 0 < seen["text:1"][1] <= 1000 and seen["text:2"][1] == -1
    kinds = {"hash": "hash", "list": "list", "set": "set", "zset": "zset", "stream": "stream"}
    assert {key: seen[key][0] for key in kinds} == kinds
    for key, kind in kinds.items():
        assert list(r.scan_iter(match="*", _type=kind, count=1000)) == [key]
        assert r.object("encoding", key)
    assert len(r.hscan("hash", count=500)[1]) == 50 and len(r.sscan("set", count=500)[1]) == 100
    assert len(r.zscan("zset", count=500)[1]) == 100 and r.lrange("list", 0, 9) == [str(i) for i in range(10)]
    assert len(r.xrevrange("stream", count=10)) == 10 and r.xinfo_stream("stream")["length"] == 20
    assert r.xinfo_groups("stream")[0]["pending"] == 5 and r.xinfo_consumers("stream", "group")[0]["name"] == "ann"
    assert len(r.xpending_range("stream", "group", "-", "+", 10)) == 5
    shown("RedisInsight: overview and browser")

    assert {"slowlog-max-len", "slowlog-log-slower-than"} <= set(r.config_get("slowlog*"))
    r.config_set("slowlog-log-slower-than", 0)
    r.get("text:1")
    assert any("GET text:1" in str(entry["command"]) for entry in r.slowlog_get(50)) and r.slowlog_len() > 0
    r.slowlog_reset()
    r.config_set("slowlog-log-slower-than", 10000)
    with r.monitor() as monitor:
        threading.Timer(0.1, lambda: r.set("seen", "1")).start()
        while True:
            line = monitor.next_command()
            if line["command"].startswith("SET seen"):
                break
    assert line["client_address"] == "127.0.0.1" and line["db"] == 0
    with r.pubsub() as pubsub:
        pubsub.psubscribe("*")
        pubsub.get_message(timeout=5)
        assert r.publish("any", "message") == 1
        assert pubsub.get_message(timeout=5)["data"] == "message"
    assert r.execute_command("MEMORY DOCTOR") and r.memory_stats()["keys.count"] >= 305 and r.execute_command("LATENCY DOCTOR")
    assert r.execute_command("LATENCY HISTOGRAM", "get") is not None
    shown("RedisInsight: slow log, profiler, pub/sub")


def main():
    fill()
    exporter(sys.argv[1])
    insight()


main()
