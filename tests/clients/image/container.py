"""Starts containers of the built image without an engine: namespaces, a root folder, a volume, and process 1.

What an engine does for compose is done here step by step: ENTRYPOINT and the command are one command line, which is
executed as it is, as process 1, in WORKDIR, with the image's environment and the service's over it.
"""

import os
import pathlib
import shlex
import signal
import subprocess
import time


class Container:
    """`docker run IMAGE ARGUMENTS`, in the foreground of a process of ours."""

    def __init__(self, stage, arguments=(), volume=None, user=None, env=None, network=None, log=None, workdir=None, umask=None):
        self.stage = stage
        self.log = pathlib.Path(log)
        command = [*stage.entrypoint, *(arguments or stage.command)]
        root, quoted = shlex.quote(str(stage.root)), " ".join(map(shlex.quote, map(str, command)))
        lines = ["mount --make-rprivate /", f"mount --bind {root} {root}", f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
        # Without a volume of its own each container gets a new and empty one, as VOLUME says.
        for path in stage.volumes:
            lines.append(f"mount --bind {shlex.quote(str(volume))} {root}{path}" if volume else f"mount -t tmpfs volume {root}{path}")
            if not volume:
                lines.append(f"chroot {root} chown redis:redis {path}")
        if umask:
            lines.append(f"umask {umask}")
        words = ["env", "-i", *(f"{name}={value}" for name, value in (stage.env | (env or {})).items())]
        chroot = ["chroot", f"--userspec={user}"] if user else ["chroot"]
        # `env` runs inside, where PATH finds the entrypoint; sh only changes the folder, and becomes the command.
        inside = f"cd {workdir or stage.workdir} && exec {quoted}"
        lines.append(f"exec {' '.join(chroot)} {root} {' '.join(map(shlex.quote, words))} /bin/sh -c {shlex.quote(inside)}")
        namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc"]
        if network:
            enter = ["nsenter", f"--net=/proc/{network}/ns/net"]
        else:
            enter = []
            namespaces.append("--net")
            lines.insert(0, "ip link set lo up && ip addr add 10.77.0.2/32 dev lo")
        self.file = open(self.log, "ab")
        self.process = subprocess.Popen(
            [*enter, "unshare", *namespaces, "/bin/sh", "-ec", "\n".join(lines)],
            stdin=subprocess.DEVNULL,
            stdout=self.file,
            stderr=self.file,
        )

    def pid(self):
        """Process 1 of the container, as the machine numbers it."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            if children:
                return int(children[0])
            time.sleep(0.01)
        raise AssertionError("the container has no process")

    def execute(self, *command, user=None):
        """`docker exec`: a command in the running container; its exit status and output."""
        enter = ["nsenter", "--target", str(self.pid()), "--mount", "--pid", "--net", "--uts", "--ipc"]
        chroot = ["chroot", f"--userspec={user}", str(self.stage.root)] if user else ["chroot", str(self.stage.root)]
        words = ["env", "-i", *(f"{name}={value}" for name, value in self.stage.env.items())]
        done = subprocess.run([*enter, *chroot, *words, *command], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
        return done.returncode, (done.stdout + done.stderr).strip()

    def healthy(self, command=("redis-cli", "ping"), seconds=20):
        """Repeats the service's health check until it succeeds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"the container exited with {self.process.returncode}:\n{self.log.read_text()}")
            status, output = self.execute(*command)
            # Before the root folder is mounted redis-cli may not be there yet.
            if status == 0 and "PONG" in output:
                return self
            time.sleep(0.05)
        raise AssertionError(f"never healthy: {output}\n{self.log.read_text()}")

    def kill(self, which):
        os.kill(self.pid(), which)

    def wait(self, seconds=10):
        """The exit status that `docker wait` would tell."""
        status = self.process.wait(seconds)
        self.file.close()
        return status

    def stop(self, which=signal.SIGTERM):
        """`docker stop`: ten seconds, then it's killed, which no well-behaved server lets happen."""
        self.kill(which)
        started = time.monotonic()
        try:
            status = self.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("it took more than ten seconds to stop") from None
        return status, time.monotonic() - started

    def remove(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def status_of(container, name):
    """A line of /proc/1/status."""
    _, output = container.execute("cat", "/proc/1/status")
    return next(line.split(":", 1)[1].split() for line in output.splitlines() if line.startswith(name + ":"))
