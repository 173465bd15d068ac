"""Clients over TLS, each with a certificate of its own: redis-py, redis-cli, redis-benchmark, ioredis, node-redis, go-redis.

    tls.py GO NODE...    the Go program, and the command that runs the Node program
"""

import asyncio
import pathlib
import subprocess
import sys
import tempfile

import redis
import redis.asyncio

from common import control, eventually, shown

PORT = 6390
FOLDER = pathlib.Path(tempfile.mkdtemp())
CA, CERT, KEY = (str(FOLDER / name) for name in ("ca.crt", "client.crt", "client.key"))


def openssl(*words, **more):
    return subprocess.run(["openssl", *words], cwd=FOLDER, check=True, capture_output=True, **more)


def certificates():
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", "30", "-subj", "/CN=authority")
    (FOLDER / "names").write_text("subjectAltName = DNS:localhost, IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-out", f"{name}.crt",
                "-extfile", "names")


def redis_py():
    secure = dict(ssl_ca_certs=CA, ssl_certfile=CERT, ssl_keyfile=KEY)
    one = redis.Redis.from_url(f"rediss://localhost:{PORT}", decode_responses=True, **secure)
    assert one.set("python", "x" * 1_000_000) and len(one.get("python")) == 1_000_000
    with one.pipeline() as pipeline:
        for n in range(1000):
            pipeline.set(f"python:{n}", n)
        assert all(pipeline.execute())
    heard = one.pubsub(ignore_subscribe_messages=True)
    heard.subscribe("news")
    eventually(lambda: one.publish("news", "good"))
    assert eventually(lambda: heard.get_message(timeout=1))["data"] == "good"
    try:
        redis.Redis.from_url(f"rediss://localhost:{PORT}", ssl_ca_certs=CA).ping()
        raise AssertionError("a client without a certificate was let in")
    except redis.exceptions.ConnectionError:
        pass

    async def alike():
        async with redis.asyncio.Redis.from_url(f"rediss://localhost:{PORT}", protocol=3, **secure) as two:
            assert await two.get("python:7") == b"7"

    asyncio.run(alike())
    shown("redis-py")


def tools():
    secure = ["-p", str(PORT), "--tls", "--cacert", CA, "--cert", CERT, "--key", KEY]
    answer = subprocess.run(["redis-cli", *secure, "get", "python:8"], check=True, capture_output=True, text=True)
    assert answer.stdout == "8\n", answer
    shown("redis-cli")
    subprocess.run(["redis-benchmark", *secure, "-q", "-n", "20000", "-P", "16", "-t", "set,get,lrange_100"], check=True, timeout=100,
                   stdout=subprocess.DEVNULL)
    shown("redis-benchmark")


def others(go, *node):
    for command in ([go], node):
        subprocess.run([*command, "tls", str(PORT), str(FOLDER)], check=True, timeout=60)


certificates()
control(f"run --tls-port {PORT} --tls-cert-file {FOLDER}/server.crt --tls-key-file {FOLDER}/server.key --tls-ca-cert-file {CA} --save ''")
redis_py()
tools()
others(*sys.argv[1:])
