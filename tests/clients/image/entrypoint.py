"""The image as its users see it: the entrypoint's cases, the files, signals and exits.

    entrypoint.py [--whole] SERVER

With `--whole` the Dockerfile's first stage compiles the server instead of taking SERVER's file.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import dockerfile
from container import Container, status_of

HERE = pathlib.Path(__file__).resolve().parent
WORK = dockerfile.WORK / "run"
REDIS = 999
FILL = "for i = 1, ARGV[1] do redis.call('SET', 'key:' .. i, 'value:' .. i) end"


def shown(what):
    print(f"shown {what}", flush=True)


def new_volume(name):
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class Runs:
    """Starts containers and removes them all, however a test ends."""

    def __init__(self, stage):
        self.stage, self.all = stage, []

    def __call__(self, *arguments, **more):
        made = Container(self.stage, arguments, log=WORK / f"container{len(self.all)}.log", **more)
        self.all.append(made)
        return made

    def exits(self, *arguments, **more):
        """The exit status and output of a container that isn't to stay."""
        made = self(*arguments, **more)
        return made.wait(20), made.log.read_text().strip()


def files(stage, runs):
    for name in "redis-server", "vermilion", "redis-cli", "redis-benchmark", "redis-check-aof", "redis-check-rdb":
        status, output = runs.exits(name, "--version")
        assert status in (0, 1), f"{name}: {status} {output}"
        assert "not found" not in output, output
    status, output = runs.exits("sh", "-c", "id redis; pwd; stat -c '%u %g %F' /data")
    assert output.splitlines() == ["uid=999(redis) gid=999(redis) groups=999(redis)", "/data", "999 999 directory"], output
    assert stage.volumes == ["/data"] and stage.ports == [6379] and stage.workdir == "/data"
    size = subprocess.run(["du", "-sm", "--exclude=proc", stage.root], capture_output=True, text=True, check=True).stdout.split()[0]
    before = subprocess.run(["du", "-sm", dockerfile.base()], capture_output=True, text=True, check=True).stdout.split()[0]
    print(f"the image adds {int(size) - int(before)} MB to its base")
    shown("the image's files")


def defaults(runs):
    c = runs().healthy()
    assert status_of(c, "Uid") == [str(REDIS)] * 4 and status_of(c, "Gid") == [str(REDIS)] * 4
    assert status_of(c, "Groups") == [] and int(status_of(c, "CapEff")[0], 16) == 0
    assert status_of(c, "Umask") == ["0077"]
    assert c.execute("cat", "/proc/1/comm")[1] in ("redis-server", "vermilion"), "process 1 is the server itself"
    assert c.execute("redis-cli", "config", "get", "protected-mode")[1].split() == ["protected-mode", "no"]
    # Another address than the loopback's is let in, as a published port is reached from outside.
    assert c.execute("redis-cli", "-h", "10.77.0.2", "set", "k", "v") == (0, "OK")
    assert c.stop()[0] == 0
    shown("defaults")


def arguments(runs):
    c = runs("--port", "7000", "--maxmemory", "100mb").healthy(("redis-cli", "-p", "7000", "ping"))
    assert status_of(c, "Uid")[0] == str(REDIS)
    assert c.execute("redis-cli", "-p", "7000", "config", "get", "maxmemory")[1].split() == ["maxmemory", "104857600"]
    c.stop()

    volume = new_volume("conf")
    (volume / "my.conf").write_text("maxmemory 50mb\nprotected-mode yes\n")
    c = runs("/data/my.conf", volume=volume).healthy()
    assert c.execute("redis-cli", "config", "get", "maxmemory")[1].split() == ["maxmemory", "52428800"]
    assert "DENIED" in c.execute("redis-cli", "-h", "10.77.0.2", "ping")[1], "a file that says so protects"
    c.stop()
    c = runs("redis-server", "/data/my.conf", "--requirepass", "secret", volume=volume)
    c.healthy(("redis-cli", "-a", "secret", "--no-auth-warning", "ping"))
    assert "NOAUTH" in c.execute("redis-cli", "ping")[1]
    c.stop()
    # As compose files often do it, so that a variable is filled in.
    c = runs("sh", "-c", 'exec redis-server --requirepass "$PASSWORD"', env={"PASSWORD": "secret"})
    c.healthy(("redis-cli", "-a", "secret", "--no-auth-warning", "ping"))
    assert c.execute("redis-cli", "-h", "10.77.0.2", "-a", "secret", "--no-auth-warning", "ping") == (0, "PONG")
    assert status_of(c, "Uid")[0] == "0", "another command is left as it is"
    c.stop()

    assert runs.exits("echo", "-n", "a b", "c") == (0, "a b c")
    assert runs.exits("sh", "-c", "id -u; umask") == (0, "0\n0077"), "another command keeps its user"
    status, output = runs.exits("redis-server", "--version")
    assert status == 0 and ("8.2" in output or "7.0" in output), output
    assert runs.exits("nonsense")[0] == 127
    shown("arguments")


def owners(runs):
    volume = new_volume("owners")
    (volume / "appendonlydir").mkdir()
    for name in "dump.rdb.bak", "appendonlydir/left":
        (volume / name).write_text("")
    os.symlink("/etc/passwd", volume / "link")
    c = runs("--appendonly", "yes", volume=volume).healthy()
    for path in [volume, *volume.rglob("*")]:
        assert path.lstat().st_uid == REDIS, f"{path} is redis's"
    assert (c.stage.root / "etc/passwd").stat().st_uid == 0, "what a link shows stays whose it was"
    c.execute("redis-cli", "set", "kept", "1")
    c.stop()
    made = list((volume / "appendonlydir").glob("*.incr.aof"))[0]
    assert made.stat().st_mode & 0o777 in (0o600, 0o644) and made.stat().st_mode & 0o077 == 0, oct(made.stat().st_mode)

    # `--user`: nothing is changed, and who can't write is told so.
    c = runs("--save", "", volume=volume, user="999:999").healthy()
    assert status_of(c, "Uid")[0] == "999"
    c.stop()
    os.chmod(volume, 0o755)
    status, output = runs.exits("--appendonly", "yes", volume=volume, user="1234:1234")
    assert status == 1 and "Permission denied" in output, output
    volume = new_volume("other")
    os.chown(volume, 1234, 1234)
    c = runs("--appendonly", "yes", volume=volume, user="1234:1234").healthy()
    assert {path.stat().st_uid for path in volume.rglob("*")} == {1234}
    c.stop()
    c = runs("--save", "", umask="0027").healthy()
    assert status_of(c, "Umask") == ["0027"], "a umask that somebody chose stays"
    c.stop()
    # A working directory of the service's own is made redis's as well.
    c = runs("redis-server", "--dir", ".", workdir="/mnt").healthy()
    assert (c.stage.root / "mnt").stat().st_uid == REDIS
    c.stop()
    shown("owners and users")


def signals(runs):
    for which in signal.SIGTERM, signal.SIGINT:
        volume = new_volume("signals")
        c = runs(volume=volume).healthy()
        c.execute("redis-cli", "eval", FILL, "0", "300000")
        c.execute("redis-cli", "set", "kept", "1")
        status, took = c.stop(which)
        assert status == 0 and took < 10, f"{which}: exit status {status} after {took:.1f} s"
        assert (volume / "dump.rdb").stat().st_size > 1_000_000, "it was saved"
        c = runs(volume=volume).healthy()
        assert c.execute("redis-cli", "get", "kept")[1] == "1" and c.execute("redis-cli", "dbsize")[1] == "300001"
        c.remove()
    shown("SIGTERM saves and exits 0")

    # It would save for half a minute; who insists doesn't wait for it.
    c = runs("--rdb-key-save-delay", "10000").healthy()
    c.execute("redis-cli", "eval", FILL, "0", "3000")
    c.kill(signal.SIGINT)
    time.sleep(0.5)
    assert c.process.poll() is None, "it saves"
    status, took = c.stop(signal.SIGINT)
    assert status == 1 and took < 3, f"exit status {status} after {took:.1f} s"
    shown("a second SIGINT exits 1")


def refusals(runs):
    def reason(*arguments, **more):
        status, output = runs.exits(*arguments, **more)
        assert status == 1, f"{arguments}: {status}\n{output}"
        return output

    said = reason("--nonsense", "1")
    assert sum("nonsense" in line for line in said.splitlines()) == 1 and "Bad directive" in said, said
    said = reason("redis-server", "/data/missing.conf")
    assert "can't open config file" in said and "missing.conf" in said, said
    said = reason("--maxmemory", "lots")
    assert "argument must be a memory value" in said, said
    c = runs().healthy()
    said = reason(network=c.pid())
    assert any("6379" in line and "Address already in use" in line for line in said.splitlines()), said
    c.stop()
    volume = new_volume("damaged")
    (volume / "dump.rdb").write_bytes(b"not a snapshot at all")
    said = reason(volume=volume)
    assert sum("Wrong signature" in line for line in said.splitlines()) == 1, said
    shown("a refused start exits 1")


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    stage = dockerfile.build("entrypoint", None if "--whole" in sys.argv else sys.argv[-1])
    shown("the Dockerfile's steps")
    runs = Runs(stage)
    try:
        files(stage, runs)
        defaults(runs)
        arguments(runs)
        owners(runs)
        signals(runs)
        refusals(runs)
    finally:
        for container in runs.all:
            container.remove()


if __name__ == "__main__":
    main()
