"""What TLS costs: processor time of the server for operations and handshakes, and memory of connections."""

import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile

import throughput
from servers import Server, encode, median

# Name, bar, operations (in thousands, of a normal run), redis-benchmark's arguments.
ROWS = [
    ("GET -P 1", 0.90, 200, [*throughput.KEYS, "-t", "get"]),
    ("SET -P 1", 0.90, 200, [*throughput.KEYS, "-d", "32", "-t", "set"]),
    ("GET -P 16", 0.60, 1000, ["-P", "16", *throughput.KEYS, "-t", "get"]),
    ("SET -P 16", 0.60, 1000, ["-P", "16", *throughput.KEYS, "-d", "32", "-t", "set"]),
    ("GET of 4 KB -P 1", 0.80, 100, ["GET", "large"]),
    ("GET of 4 KB -P 16", 0.80, 200, ["-P", "16", "GET", "large"]),
    ("SET of 4 KB -P 16", 0.80, 200, ["-P", "16", "-r", "1000", "-d", "4096", "-t", "set"]),
]


class Certificate:
    """A certificate that is its own authority, in a folder of its own."""

    def __init__(self, key):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="versus-tls-"))
        self.cert, self.key = self.folder / "cert.pem", self.folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "2", "-subj", "/CN=versus",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.cert],
            check=True, capture_output=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def client(self):
        """What a client of Python's speaks with."""
        return ssl.create_default_context(cafile=self.cert)

    def benchmark(self, port):
        """Where redis-benchmark finds a server."""
        return ["-p", str(port), "--tls", "--cacert", str(self.cert)]


RSA, EC = ["rsa:2048"], ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]


def start(programs, certificate):
    """Each server, with a port for TLS beside the plain one."""
    for name, command in programs.items():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = ["--tls-port", str(port), "--tls-auth-clients", "no"]
        options += ["--tls-cert-file", str(certificate.cert), "--tls-key-file", str(certificate.key)]
        server = Server(name, command, options)
        server.tls_port = port
        yield server


def operations(programs, rounds, scale, only=None):
    """Server microseconds for each operation: (name, bar, {server: [rate, cpu, p50, p99, worst]})."""
    with Certificate(RSA) as certificate:
        running = list(start(programs, certificate))
        try:
            for server in running:
                server.client.ask("SET", "large", "x" * 4096)
                server.client.load(encode("SET", b"key:%012d" % n, "x" * 32) for n in range(1_000_000))
            for name, bar, thousands, arguments in ROWS:
                if only and not any(word in name for word in only):
                    continue
                count = int(thousands * 1000 * scale)
                seen = {server.name: [] for server in running}
                for _ in range(rounds):
                    for server in running:
                        at = certificate.benchmark(server.tls_port)
                        seen[server.name].append(throughput.once(server, count, arguments, at=at))
                yield name, bar, {name: [median(column) for column in zip(*runs)] for name, runs in seen.items()}
        finally:
            for server in running:
                server.stop()


def handshakes(programs, rounds, scale):
    """Server microseconds for each new connection: (name, bar, {server: cpu})."""
    for kind, key in ("RSA", RSA), ("EC", EC):
        with Certificate(key) as certificate:
            running = list(start(programs, certificate))
            try:
                for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
                    for resumed in (False, True):
                        seen = {server.name: [] for server in running}
                        for _ in range(rounds):
                            for server in running:
                                seen[server.name].append(_connect(server, certificate, int(1000 * scale), version, resumed))
                        name = f"{kind}, {version.name.replace('v', ' ').replace('_', '.')}{', resumed' if resumed else ''}"
                        yield name, 0.67, {name: median(costs) for name, costs in seen.items()}
            finally:
                for server in running:
                    server.stop()


def _connect(server, certificate, count, version, resumed):
    context = certificate.client()
    context.minimum_version = context.maximum_version = version
    session = None

    def work():
        nonlocal session
        for _ in range(count):
            with socket.create_connection(("127.0.0.1", server.tls_port)) as plain:
                # The kernel would wait for the server's acknowledgement before it sends the request.
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as secure:
                    secure.sendall(encode("PING"))
                    if secure.recv(16) != b"+PONG\r\n":
                        raise SystemExit("a server does not answer over TLS")
                    if session is not None and not secure.session_reused:
                        raise SystemExit(f"{server.name} resumes no session")
                    if resumed and session is None:
                        session = secure.session
        return count

    return server.cpu_of(work)


def connections(programs, count=2000):
    """Bytes of RSS for each connection that has had a reply and waits: {server: bytes}."""
    taken = {}
    with Certificate(RSA) as certificate:
        for server in start(programs, certificate):
            with server:
                context = certificate.client()
                before, held = server.rss(), []
                for _ in range(count):
                    plain = socket.create_connection(("127.0.0.1", server.tls_port))
                    secure = context.wrap_socket(plain, server_hostname="127.0.0.1")
                    secure.sendall(encode("PING"))
                    secure.recv(16)
                    held.append(secure)
                taken[server.name] = (server.rss() - before) / count
                for secure in held:
                    secure.close()
    return taken
