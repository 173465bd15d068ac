"""What every cell runs in: a server at the port where clients look for one, a proxy that cuts replies, and a
control port by which a program in any language asks for a restart or a cut.

    unshare --net --pid --fork --kill-child --mount-proc harness.py SERVER OTHER DIRECTORY COMMAND...

SERVER serves DIRECTORY on 127.0.0.1:6379 of a network namespace of its own, so that clients find it with their
defaults and cells never meet. OTHER is the server that `swap` changes to and back. The exit status is COMMAND's.

A program sends one line to 127.0.0.1:6381 and reads one line, `ok` or an error:

    restart     SIGTERM, the same data, the same port
    kill        SIGKILL instead
    stop start  the two halves of a restart
    swap        a restart as the other server
    cut N       of the next reply through the proxy on port 6380, N bytes pass; then both ends are closed
    run ARGS    a restart with other options; they replace those of before
"""

import fcntl
import os
import pathlib
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

PORT = 6379
PROXY_PORT = 6380
CONTROL_PORT = 6381
OPTIONS = ["--appendonly", "yes", "--save", ""]


def loopback_up():
    """A new namespace has its loopback device down. This is what `ip link set lo up` does."""
    get_flags, set_flags, up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(asked, get_flags, request))[1]
        fcntl.ioctl(asked, set_flags, struct.pack("16sh14x", b"lo", flags | up))


class Server:
    """One server on one directory; started again it is the same for its clients."""

    def __init__(self, binary, other, directory):
        self.binaries = [binary, other]
        self.directory = pathlib.Path(directory)
        self.options = OPTIONS
        self.process = None

    def start(self):
        command = [self.binaries[0], "--port", str(PORT), "--bind", "127.0.0.1", "--dir", str(self.directory)]
        log = open(self.directory.parent / "server.log", "ab")
        self.process = subprocess.Popen(command + self.options, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server exited with {self.process.returncode} at its start")
            try:
                with socket.create_connection(("127.0.0.1", PORT), timeout=1) as asked:
                    asked.sendall(b"PING\r\n")
                    # While it loads it says so.
                    if asked.recv(64).startswith((b"+PONG", b"-NOAUTH")):
                        return
            except OSError:
                pass
            time.sleep(0.01)
        raise RuntimeError("the server doesn't answer")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        status = self.process.wait(20)
        if how == signal.SIGTERM and status != 0:
            raise RuntimeError(f"the server exited with {status} after SIGTERM")


class Proxy:
    """Passes bytes both ways, until it is told to cut a reply."""

    def __init__(self):
        self.lock = threading.Lock()
        self.cut_after = None
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", PROXY_PORT))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", PORT))
            except OSError:
                client.close()
                continue
            for end in client, server:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.requests, args=(client, server), daemon=True).start()
            threading.Thread(target=self.replies, args=(client, server), daemon=True).start()

    def requests(self, client, server):
        try:
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            close(client, server)

    def replies(self, client, server):
        try:
            while data := server.recv(65536):
                with self.lock:
                    left, self.cut_after = self.cut_after, None
                    if left is not None and len(data) <= left:
                        self.cut_after, left = left - len(data), None
                if left is not None:
                    client.sendall(data[:left])
                    self.cuts += 1
                    break
                client.sendall(data)
        except OSError:
            pass
        close(client, server)


def close(*ends):
    for end in ends:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        end.close()


class Control:
    """Takes one line at a time from the program that is tested."""

    def __init__(self, server, proxy):
        self.server, self.proxy = server, proxy
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", CONTROL_PORT))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            end, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(end,), daemon=True).start()

    def serve(self, end):
        with end, end.makefile("rw") as lines:
            for line in lines:
                try:
                    with self.lock:
                        self.obey(shlex.split(line))
                    answer = "ok"
                except Exception as error:
                    answer = f"error: {error}"
                lines.write(answer + "\n")
                lines.flush()

    def obey(self, words):
        server = self.server
        match words:
            case ["restart"]:
                server.stop()
                server.start()
            case ["kill"]:
                # With `appendfsync everysec` what was confirmed just now may not be in the file yet.
                time.sleep(0.2)
                server.stop(signal.SIGKILL)
                server.start()
            case ["stop"]:
                server.stop()
            case ["start"]:
                server.start()
            case ["swap"]:
                server.stop()
                server.binaries.reverse()
                server.start()
            case ["cut", count]:
                with self.proxy.lock:
                    self.proxy.cut_after = int(count)
            case ["run", *options]:
                server.stop()
                server.options = options
                server.start()
            case _:
                raise ValueError("unknown word")


def main():
    binary, other, directory, *command = sys.argv[1:]
    loopback_up()
    # In memory, seen in here alone: what other cells install meanwhile would hold up each sync of a disk for seconds.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "data", directory], check=True)
    server = Server(binary, other, directory)
    server.start()
    proxy = Proxy()
    Control(server, proxy)
    environment = os.environ | {"REDIS_URL": f"redis://127.0.0.1:{PORT}", "PYTHONUNBUFFERED": "1"}
    status = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL).returncode
    if server.process.poll() is not None:
        print(f"the server is gone: {server.process.returncode}")
        status = status or 1
    else:
        server.stop()
    sys.exit(status)


if __name__ == "__main__":
    main()
