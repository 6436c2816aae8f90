#!/usr/bin/env python3
"""Measures the hub beside Debian's Postfix: the same load generator, the same sink, taking turns on the same machine.

    swift build -c release && Benchmarks/run.py [accept] [single] [relay] [idle] [large] [restart]

Needs root (Postfix does) and Debian's postfix package; all traffic stays on loopback. Both sides sync to disk before they
say 250. Ratios are what counts: absolute figures change with the machine and its neighbours.
"""

import argparse
import shutil
import socket
import statistics
import tempfile
import time
from pathlib import Path

from peers import Hub, Postfix, Sink, cpu_seconds, free_port, memory_kib, send

ROOT = Path(__file__).resolve().parent.parent


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.folder = Path(tempfile.mkdtemp(prefix="mailhub-benchmark-", dir=arguments.folder))
        self.folder.chmod(0o755)
        self.serial = 0
        self.rows: list[tuple[str, str, str, str, str]] = []

    def fresh(self, name: str) -> Path:
        self.serial += 1
        return self.folder / f"{name}-{self.serial}"

    def row(self, what: str, hub: str, postfix: str, ratio: str, mark: str) -> None:
        self.rows.append((what, hub, postfix, ratio, mark))
        print(f"{what}: hub {hub}, Postfix {postfix}, ratio {ratio} (mark: {mark})", flush=True)

    def alternately(self, scenario, hub, postfix) -> tuple[list, list]:
        """Runs a scenario on both, taking turns."""
        results: tuple[list, list] = ([], [])
        for _ in range(self.arguments.rounds):
            for index, make in enumerate((hub, postfix)):
                server = make()
                try:
                    results[index].append(scenario(server))
                finally:
                    server.stop()
        return results

    # Scenarios

    def accept(self) -> None:
        """Messages per second until all have their 250; nothing can be delivered meanwhile."""
        self.accepting("accept and queue, 4 KB", reused=True, mark="5 x Postfix")

    def single(self) -> None:
        """The same with a connection for each message, as most of the internet's mail comes."""
        self.accepting("the same, a connection each", reused=False, mark="-")

    def accepting(self, what: str, reused: bool, mark: str) -> None:
        count, sessions = self.arguments.messages, self.arguments.sessions

        def scenario(server):
            send(server.port, 200, sessions, reused=reused)
            before = cpu_seconds(server.pid)
            seconds = send(server.port, count, sessions, reused=reused)
            return count / seconds, (cpu_seconds(server.pid) - before) / count * 1000

        closed = free_port()
        hub, postfix = self.alternately(
            scenario,
            lambda: Hub(self.fresh("hub"), self.arguments.executable, closed),
            lambda: Postfix(self.fresh("postfix"), closed, hold=True),
        )
        self.compare(what, hub, postfix, mark)

    def relay(self) -> None:
        """Messages per second from the first command to the last message at the sink."""
        count, sessions = self.arguments.messages, self.arguments.sessions
        sink = Sink(self.folder)

        def scenario(server):
            send(server.port, 200, sessions)
            time.sleep(1)
            already = sink.count()
            before = cpu_seconds(server.pid)
            start = time.monotonic()
            send(server.port, count, sessions)
            sink.wait_for(already + count)
            seconds = time.monotonic() - start
            return count / seconds, (cpu_seconds(server.pid) - before) / count * 1000

        try:
            hub, postfix = self.alternately(
                scenario,
                lambda: Hub(self.fresh("hub"), self.arguments.executable, sink.port),
                lambda: Postfix(self.fresh("postfix"), sink.port, hold=False),
            )
        finally:
            sink.stop()
        self.compare("relay end to end, 4 KB", hub, postfix, "5 x Postfix")

    def compare(self, what: str, hub, postfix, mark: str) -> None:
        rate = [statistics.median(result[0] for result in side) for side in (hub, postfix)]
        cpu = [statistics.median(result[1] for result in side) for side in (hub, postfix)]
        self.row(f"{what}: messages/s", f"{rate[0]:,.0f}", f"{rate[1]:,.0f}", f"{rate[0] / rate[1]:.2f}", mark)
        self.row(f"{what}: CPU ms/message", f"{cpu[0]:.3f}", f"{cpu[1]:.3f}", f"{cpu[1] / cpu[0]:.2f} x less", "-")

    def idle(self) -> None:
        """Memory per session that has said EHLO and waits."""

        def scenario(server, count):
            warm = self.open_sessions(server.port, 20)
            self.close_sessions(warm)
            time.sleep(0.5)
            before = memory_kib(server.pid)
            clients = self.open_sessions(server.port, count)
            time.sleep(1)
            result = (memory_kib(server.pid) - before) / count
            self.close_sessions(clients)
            return result

        closed = free_port()
        hub = Hub(self.fresh("hub"), self.arguments.executable, closed)
        try:
            mine = scenario(hub, 1000)
        finally:
            hub.stop()
        postfix = Postfix(self.fresh("postfix"), closed, hold=True)
        try:
            theirs = scenario(postfix, 100)
        finally:
            postfix.stop()
        self.row("memory per idle session, KB", f"{mine:.1f} (1,000)", f"{theirs:.1f} (100)", f"{theirs / mine:.1f} x less",
                 "under 25 KB")

    @staticmethod
    def open_sessions(port: int, count: int):
        clients = []
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", port), timeout=30)
            client.recv(512)
            client.sendall(b"EHLO client.example.net\r\n")
            client.recv(2048)
            clients.append(client)
        return clients

    @staticmethod
    def close_sessions(clients) -> None:
        for client in clients:
            client.close()

    def large(self) -> None:
        """What a message of 50 MB adds to the hub's memory while it arrives."""
        hub = Hub(self.fresh("hub"), self.arguments.executable, free_port())
        try:
            send(hub.port, 5, 1, 1 << 20)
            time.sleep(1)
            before = peak = memory_kib(hub.pid, "Rss")
            client = self.open_sessions(hub.port, 1)[0]
            for command in (b"MAIL FROM:<sender@example.net>", b"RCPT TO:<ann@example.org>", b"DATA"):
                client.sendall(command + b"\r\n")
                client.recv(512)
            line = b"0123456789" * 7 + b"\r\n"
            piece = line * 1024
            sent = 0
            while sent < 50_000_000:
                client.sendall(piece)
                sent += len(piece)
                peak = max(peak, memory_kib(hub.pid, "Rss"))
            client.sendall(b".\r\n")
            client.settimeout(60)
            assert client.recv(512).startswith(b"250")
            peak = max(peak, memory_kib(hub.pid, "Rss"))
        finally:
            hub.stop()
        self.row("memory added by a 50 MB message, KB", f"{peak - before:,}", "-", "-", "under 2,048 KB")

    def restart(self) -> None:
        """Seconds from the start of the process to its greeting with a full queue."""
        count = self.arguments.queued
        hub = Hub(self.fresh("hub"), self.arguments.executable, free_port())
        try:
            send(hub.port, count, 50)
            hub.kill()
            seconds = hub.start()
        finally:
            hub.stop()
        self.row(f"restart with {count:,} queued, s", f"{seconds:.2f}", "-", "-", "under 3 s")

    def table(self) -> None:
        header = ("scenario", "MailHub", "Postfix", "ratio", "mark")
        widths = [max(len(row[column]) for row in [header, *self.rows]) for column in range(5)]
        print()
        for row in [header, tuple("-" * width for width in widths), *self.rows]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scenarios = ["accept", "single", "relay", "idle", "large", "restart"]
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"of {', '.join(scenarios)}; default: all")
    parser.add_argument("--executable", type=Path, default=ROOT / ".build/release/mailhub")
    parser.add_argument("--messages", type=int, default=10000, help="of each accept and relay run")
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side; the median is shown")
    parser.add_argument("--queued", type=int, default=100000, help="messages in the queue for the restart")
    parser.add_argument("--folder", type=Path, default=ROOT / "var", help="where queues live: a real disk")
    arguments = parser.parse_args()
    unknown = set(arguments.scenarios) - set(scenarios)
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    if not arguments.executable.exists():
        parser.error(f"{arguments.executable} is not there: run 'swift build -c release --product mailhub' first")
    arguments.folder.mkdir(exist_ok=True)
    for tool in ("smtp-source", "smtp-sink", "postfix"):
        if shutil.which(tool) is None:
            parser.error(f"{tool} is missing: apt-get install postfix")
    bench = Bench(arguments)
    for scenario in arguments.scenarios or scenarios:
        getattr(bench, scenario)()
    bench.table()
    print(f"\nQueues and logs of this run: {bench.folder} (delete it when the machine is idle)")


if __name__ == "__main__":
    main()
