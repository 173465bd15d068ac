"""The README's compose file, each of its lines carried out as an engine would, with the course program as its `api`.

    compose.py SERVER

A line that isn't known here is an error: what the README says was run.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request

import dockerfile
import yaml
from container import Container

HERE = pathlib.Path(__file__).resolve().parent
WORK = dockerfile.WORK / "compose"


def shown(what):
    print(f"shown {what}", flush=True)


def the_file():
    """The block of the README that has `services` with a `cache` and an `api`."""
    readme = (dockerfile.ROOT / "README.md").read_text()
    blocks = re.findall(r"(?:^    .*\n|^\n)+", readme, flags=re.MULTILINE)
    found = [block for block in blocks if "services:" in block and "api:" in block]
    assert len(found) == 1, f"{len(found)} compose files with an api"
    return yaml.safe_load("\n".join(line[4:] for line in found[0].splitlines()))


def take(service, name, kind, default=None):
    value = service.pop(name, default)
    assert value is default or isinstance(value, kind), f"{name}: {value!r}"
    return value


def words(command):
    return shlex.split(command) if isinstance(command, str) else list(command or [])


class Cache:
    def __init__(self, stage, service, volumes):
        self.stage = stage
        assert take(service, "image", str) == "vermilion"
        self.command = words(take(service, "command", (str, list)))
        (mount,) = take(service, "volumes", list)
        source, target = mount.split(":")
        assert source in volumes and target in stage.volumes
        self.volume = WORK / source
        check = take(service, "healthcheck", dict)
        how, *self.check = check.pop("test")
        assert how == "CMD"
        self.interval = float(check.pop("interval").rstrip("s"))
        assert not check, check
        assert take(service, "restart", str) == "unless-stopped"
        assert not service, f"never run here: {service}"
        self.starts = 0

    def up(self):
        self.starts += 1
        log = WORK / f"cache{self.starts}.log"
        self.container = Container(self.stage, self.command, volume=self.volume, log=log)
        return self.container.healthy(self.check)


class Api:
    """The course program in the network of the compose file. Its Dockerfile's base and packages are the machine's virtual environment."""

    def __init__(self, service):
        folder = dockerfile.ROOT / take(service, "build", str)
        self.folder = WORK / "api"
        self.folder.mkdir()
        self.command = None
        for name, rest in dockerfile.instructions((folder / "Dockerfile").read_text()):
            if name == "COPY":
                *files, target = rest.split()
                assert target == "./", target
                for file in files:
                    shutil.copy(folder / file, self.folder)
            elif name == "CMD":
                self.command = json.loads(rest)
            else:
                assert name in ("FROM", "WORKDIR", "RUN"), name
        self.environment = take(service, "environment", dict)
        (ports,) = take(service, "ports", list)
        self.port = int(ports.split(":")[1])
        (self.needs,) = take(service, "depends_on", dict).items()
        assert self.needs == ("cache", {"condition": "service_healthy"})
        assert not service, f"never run here: {service}"

    def up(self, network):
        hosts = WORK / "hosts"
        # An engine's name server knows each service by its name.
        hosts.write_text("127.0.0.1 localhost\n127.0.0.1 cache\n")
        command = [sys.executable, "-m", *self.command]
        script = f"mount --bind {shlex.quote(str(hosts))} /etc/hosts && exec {shlex.join(command)}"
        enter = ["nsenter", f"--net=/proc/{network}/ns/net", "unshare", "--mount", "/bin/sh", "-ec", script]
        self.process = subprocess.Popen(enter, cwd=self.folder, env=os.environ | self.environment)
        self.network = network

    def ask(self, path, method="GET"):
        """A request from inside the network; ports are published by an engine's proxy, which isn't here."""
        url = f"http://127.0.0.1:{self.port}{path}"
        asked = subprocess.run(
            ["nsenter", f"--net=/proc/{self.network}/ns/net", sys.executable, __file__, "ask", method, url],
            capture_output=True,
            text=True,
        )
        return asked.stdout.strip()

    def down(self):
        self.process.terminate()
        self.process.wait(10)


def ask(method, url):
    until = time.monotonic() + 20
    while True:
        try:
            request = urllib.request.Request(url, method=method)
            return print(urllib.request.urlopen(request, timeout=10).read().decode())
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def main():
    if sys.argv[1] == "ask":
        return ask(*sys.argv[2:])
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    file = the_file()
    volumes = file.pop("volumes")
    services = file.pop("services")
    assert not file, f"never run here: {file}"
    for name in volumes:
        (WORK / name).mkdir()
    stage = dockerfile.build("compose", sys.argv[1])
    cache = Cache(stage, services.pop("cache"), volumes)
    api = Api(services.pop("api"))
    assert not services, services
    containers = []
    try:
        containers.append(cache.up())
        # `service_healthy`: the check has succeeded, so the api may start.
        api.up(containers[0].pid())
        assert api.ask("/health") == '{"redis":true}', api.ask("/health")
        assert [api.ask("/views/home", "POST") for _ in range(3)] == ['{"views":1}', '{"views":2}', '{"views":3}']
        shown("the stack is up")

        # `docker compose stop` and `up`, and `restart: unless-stopped` after a crash: the volume has it all.
        assert containers[0].stop()[0] == 0
        api.down()
        containers.append(cache.up())
        api.up(containers[1].pid())
        assert api.ask("/views/home", "POST") == '{"views":4}'
        time.sleep(1.1)
        containers[1].kill(9)
        assert containers[1].wait() != 0
        api.down()
        containers.append(cache.up())
        api.up(containers[2].pid())
        assert api.ask("/views/home", "POST") == '{"views":5}'
        shown("stop, crash and start again")
        assert any((cache.volume / "appendonlydir").iterdir())
        assert containers[2].stop()[0] == 0
    finally:
        if hasattr(api, "process") and api.process.poll() is None:
            api.down()
        for container in containers:
            container.remove()


main()
