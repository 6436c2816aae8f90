#!/usr/bin/env python3
"""Measures TLS: handshakes beside the openssl command's own server, STARTTLS sessions beside Postfix, and bulk beside plain text.

    swift build -c release && Benchmarks/tls.py [handshakes] [sessions] [bulk] [idle]

Servers are compared by the CPU time that they use, so that the load generator, which is on the same machine, does not count.
Needs root (Postfix does) and Debian's postfix and openssl; all traffic stays on loopback.
"""

import argparse
import json
import re
import shutil
import smtplib
import socket
import ssl
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from peers import Hub, Postfix, Sink, cpu_seconds, free_port, memory_kib

ROOT = Path(__file__).resolve().parent.parent


class TLSHub(Hub):
    """The hub with STARTTLS on its port, and a second listener with TLS from the start."""

    def __init__(self, folder: Path, executable: Path, sink_port: int, certificate: Path, key: Path):
        self.implicit = free_port()
        self.tls = {"certificates": [{"chain": str(certificate), "key": str(key)}]}
        super().__init__(folder, executable, sink_port)

    def start(self) -> float:
        configuration = json.loads(self.configuration.read_text())
        first = configuration["listeners"][0]
        first["tls"] = self.tls | {"mode": "starttls"}
        second = first | {"name": "implicit", "port": self.implicit, "tls": self.tls | {"mode": "implicit"}}
        configuration["listeners"] = [first, second]
        configuration["routes"]["sink"]["tls"] = "none"
        self.configuration.write_text(json.dumps(configuration))
        return super().start()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "c.pem", folder / "k.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, stderr=subprocess.DEVNULL,
    )
    key.chmod(0o600)
    return certificate, key


def handshakes(port: int, pid: int, options: list[str], seconds: int) -> float:
    """Handshakes that a server does in a second of its CPU time."""
    before = cpu_seconds(pid)
    output = subprocess.run(
        ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-time", str(seconds), *options],
        capture_output=True, text=True, check=False,
    ).stdout
    used = cpu_seconds(pid) - before
    count = int(re.search(r"^(\d+) connections in \d+ real seconds", output, re.M).group(1))
    return count / used


def report(name: str, ours: list[float], theirs: list[float]) -> None:
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"handshakes a CPU second, {name}: hub {a:.0f}, openssl s_server {b:.0f}, ratio {a / b:.2f} "
          f"(mark: 0.75; the hub also greets)", flush=True)


def resumed_handshakes(port: int, pid: int, certificate: Path, seconds: int) -> float:
    """TLS 1.3 handshakes with a ticket of the first one, which s_time does not do, in a second of the server's CPU time."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False

    def handshake(session: ssl.SSLSession | None) -> ssl.SSLSession:
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), session=session) as client:
            assert client.session_reused == (session is not None)
            client.settimeout(0.2 if session is None else 0)  # the ticket comes behind the handshake
            try:
                client.recv(1000)
            except (ssl.SSLWantReadError, TimeoutError):
                pass
            return client.session

    session = handshake(None)
    count = 0
    before, end = cpu_seconds(pid), time.monotonic() + seconds
    while time.monotonic() < end:
        handshake(session)
        count += 1
    return count / (cpu_seconds(pid) - before)


def measure_handshakes(folder: Path, hub: TLSHub, certificate: Path, key: Path, arguments) -> None:
    port = free_port()
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificate, "-key", key, "-quiet",
         "-num_tickets", "1"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    time.sleep(1)
    try:
        for name, options in [
            ("full, TLS 1.3", ["-new", "-tls1_3"]), ("full, TLS 1.2", ["-new", "-tls1_2"]),
            ("resumed, TLS 1.2", ["-reuse", "-tls1_2"]),
        ]:
            ours, theirs = [], []
            for _ in range(arguments.rounds):
                ours.append(handshakes(hub.implicit, hub.pid, options, arguments.seconds))
                theirs.append(handshakes(port, server.pid, options, arguments.seconds))
            report(name, ours, theirs)
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            ours.append(resumed_handshakes(hub.implicit, hub.pid, certificate, arguments.seconds))
            theirs.append(resumed_handshakes(port, server.pid, certificate, arguments.seconds))
        report("resumed, TLS 1.3", ours, theirs)
    finally:
        server.kill()
        server.wait()


def sessions(port: int, certificate: Path, count: int) -> None:
    """One client after another."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    for _ in range(count):
        session(port, context)


def session(port: int, context: ssl.SSLContext) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="c.example") as client:
        client.starttls(context=context)
        client.ehlo()


def measure_sessions(folder: Path, hub: TLSHub, sink: Sink, certificate: Path, key: Path, arguments) -> None:
    postfix = Postfix(folder / "postfix", sink.port, hold=False)
    settings = [f"smtpd_tls_cert_file={certificate}", f"smtpd_tls_key_file={key}", "smtpd_tls_security_level=may"]
    subprocess.run([*("postconf", "-c", str(folder / "postfix/etc"), "-e"), *settings], check=True)
    subprocess.run([*postfix.command, "reload"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    each = arguments.sessions // arguments.clients
    count = each * arguments.clients
    try:
        costs: dict[str, list[float]] = {"hub": [], "Postfix": []}
        with ProcessPoolExecutor(arguments.clients) as clients:
            for number in range(arguments.rounds + 1):
                for name, port, pid in [("hub", hub.port, hub.pid), ("Postfix", postfix.port, postfix.pid)]:
                    before = cpu_seconds(pid)
                    for client in [clients.submit(sessions, port, certificate, each) for _ in range(arguments.clients)]:
                        client.result()
                    time.sleep(0.2)
                    if number > 0:  # the first round warms both up
                        costs[name].append((cpu_seconds(pid) - before) / count * 1000)
        a, b = statistics.median(costs["hub"]), statistics.median(costs["Postfix"])
        print(f"CPU of a STARTTLS session, {arguments.clients} at once: hub {a:.2f} ms, Postfix {b:.2f} ms, ratio {a / b:.2f} "
              f"(mark: 0.33)", flush=True)
    finally:
        postfix.stop()


def transfer(port: int, context: ssl.SSLContext | None, body: bytes) -> float:
    """Seconds for one message from DATA to its 250."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="c.example") as client:
        client.ehlo()
        if context:
            client.starttls(context=context)
            client.ehlo()
        client.mail("a@example.net")
        client.rcpt("b@example.org")
        client.docmd("DATA")
        start = time.monotonic()
        client.sock.sendall(body + b".\r\n")
        code, _ = client.getreply()
        assert code == 250
        return time.monotonic() - start


def measure_bulk(hub: TLSHub, certificate: Path, arguments) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    body = b"Subject: large\r\n\r\n" + b"one line of a large message, as long as lines usually are\r\n" * 175_000
    plain, encrypted = [], []
    for _ in range(arguments.rounds * 3):
        plain.append(transfer(hub.port, None, body))
        encrypted.append(transfer(hub.port, context, body))
    a, b = statistics.median(plain), statistics.median(encrypted)
    size = len(body) / 1e6
    print(f"a message of {size:.0f} MB: in the clear {size / a:.0f} MB/s, TLS {size / b:.0f} MB/s, ratio {a / b:.2f} "
          f"(mark: 0.70)", flush=True)


def measure_idle(hub: TLSHub, certificate: Path, arguments) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    count = 1000
    for name, wrap in [("in the clear", False), ("TLS", True)]:
        connections = []
        before = memory_kib(hub.pid)
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", hub.implicit if wrap else hub.port))
            if wrap:
                connection = context.wrap_socket(connection)
            connection.recv(1000)
            connections.append(connection)
        time.sleep(1)
        used = (memory_kib(hub.pid) - before) / count
        print(f"memory of an idle session, {name}: {used:.0f} KiB (mark: 60)", flush=True)
        for connection in connections:
            connection.close()
        time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("parts", nargs="*", default=[])
    parser.add_argument("--executable", type=Path, default=ROOT / ".build/release/mailhub")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="length of one run of handshakes")
    parser.add_argument("--sessions", type=int, default=1000, help="STARTTLS sessions of one run")
    parser.add_argument("--clients", type=int, default=10, help="how many of them at once")
    arguments = parser.parse_args()
    parts = arguments.parts or ["handshakes", "sessions", "bulk", "idle"]
    folder = Path(tempfile.mkdtemp(prefix="mailhub-benchmark-"))
    folder.chmod(0o755)
    try:
        certificate, key = make_certificate(folder)
        sink = Sink(folder)
        hub = TLSHub(folder / "hub", arguments.executable, sink.port, certificate, key)
        try:
            if "handshakes" in parts:
                measure_handshakes(folder, hub, certificate, key, arguments)
            if "sessions" in parts:
                measure_sessions(folder, hub, sink, certificate, key, arguments)
            if "bulk" in parts:
                measure_bulk(hub, certificate, arguments)
            if "idle" in parts:
                measure_idle(hub, certificate, arguments)
        finally:
            hub.stop()
            sink.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
