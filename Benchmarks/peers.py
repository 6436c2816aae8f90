"""The programs that the benchmark compares and loads: the hub, a private Postfix, smtp-source and smtp-sink.

Everything listens on loopback and lives in a folder of its own; processes are ended by their id.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_greeting(port: int, limit: float = 60) -> float:
    """Seconds until a 220 greeting is read."""
    start = time.monotonic()
    while time.monotonic() - start < limit:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                if client.recv(512).startswith(b"220"):
                    return time.monotonic() - start
        except OSError:
            pass
        time.sleep(0.005)
    raise TimeoutError(f"nothing greets on port {port}")


def processes_of(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
                children.setdefault(int(fields[1]), []).append(int(entry))
            except (OSError, IndexError):
                continue
    found, todo = [], [pid]
    while todo:
        current = todo.pop()
        found.append(current)
        todo.extend(children.get(current, []))
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, its descendants, and those of them that have ended."""
    total = 0
    for process in processes_of(pid):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(fields[index]) for index in (11, 12, 13, 14))
    return total / TICKS


def memory_kib(pid: int, field: str = "Pss") -> int:
    """Memory of a process and its descendants: shared pages are counted by their share."""
    total = 0
    for process in processes_of(pid):
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(re.search(rf"^{field}:\s+(\d+)", text, re.M).group(1))
    return total


class Sink:
    """Postfix's smtp-sink: takes everything and counts."""

    def __init__(self, folder: Path):
        self.port = free_port()
        self.log = folder / f"sink-{self.port}.log"
        self.process = subprocess.Popen(
            ["smtp-sink", "-u", "nobody", "-c", f"127.0.0.1:{self.port}", "1024"],
            stdout=self.log.open("wb"), stderr=subprocess.DEVNULL, cwd=folder,
        )
        time.sleep(0.2)

    def count(self) -> int:
        size = self.log.stat().st_size
        with self.log.open("rb") as log:
            log.seek(max(0, size - 200))
            found = re.findall(rb"mesg=(\d+)", log.read())
        return int(found[-1]) if found else 0

    def wait_for(self, count: int, limit: float = 300) -> None:
        deadline = time.monotonic() + limit
        while self.count() < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the sink has {self.count()} of {count} messages")
            time.sleep(0.005)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class Postfix:
    """A private instance of Debian's Postfix, as it comes, relaying to one next hop."""

    name = "Postfix"

    def __init__(self, folder: Path, sink_port: int, hold: bool):
        self.folder = folder
        self.port = free_port()
        config, queue, data = folder / "etc", folder / "queue", folder / "data"
        for path in (config, queue, data):
            path.mkdir(parents=True)
        folder.chmod(0o755)
        shutil.chown(data, "postfix")
        settings = {
            "compatibility_level": "3.6", "queue_directory": queue, "data_directory": data, "mail_owner": "postfix",
            "command_directory": "/usr/sbin", "daemon_directory": "/usr/lib/postfix/sbin", "setgid_group": "postdrop",
            "myhostname": "postfix.example.org", "mydestination": "", "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8", "relayhost": f"[127.0.0.1]:{sink_port}",
            "smtpd_recipient_restrictions": "permit_mynetworks, reject", "smtp_dns_support_level": "disabled",
            "smtp_host_lookup": "native", "default_process_limit": "300", "smtpd_client_connection_count_limit": "0",
            "default_destination_concurrency_limit": "20", "maillog_file": f"{folder}/maillog",
            "maillog_file_prefixes": f"{folder}", "alias_maps": "", "local_recipient_maps": "",
            "smtpd_client_restrictions": "check_client_access static:HOLD" if hold else "",
            "smtpd_peername_lookup": "no", "message_size_limit": "104857600", "mailbox_size_limit": "0",
        }
        (config / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
        services = Path("/usr/share/postfix/master.cf.dist")
        text = services.read_text() if services.exists() else Path("/etc/postfix/master.cf").read_text()
        lines = [re.sub(r"^smtp(\s+)inet", rf"127.0.0.1:{self.port}\1inet", line) for line in text.splitlines()]
        if not any(line.startswith("postlog") for line in lines):
            lines.append("postlog unix-dgram n - n - 1 postlogd")
        # Nothing is chrooted: the instance's queue folder holds no copies of system files.
        lines = [re.sub(r"^(\S+\s+(?:inet|unix|fifo|pass)\s+\S+\s+\S+\s+)y", r"\1n", line) for line in lines]
        (config / "master.cf").write_text("\n".join(lines) + "\n")
        self.command = ["postfix", "-c", str(config)]
        subprocess.run([*self.command, "start"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_greeting(self.port)
        self.pid = int((queue / "pid/master.pid").read_text())

    def stop(self) -> None:
        subprocess.run([*self.command, "abort"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Hub:
    """The hub, relaying to one next hop."""

    name = "MailHub"

    def __init__(self, folder: Path, executable: Path, sink_port: int):
        self.folder, self.executable = folder, executable
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        configuration = {
            "hostname": "hub.example.org",
            "listeners": [{
                "name": "mx", "address": "127.0.0.1", "port": self.port, "role": "mx",
                "maximumConnections": 5000, "maximumConnectionsPerClient": 5000, "maximumMessagesPerConnection": 1000000,
                "messageSize": "100MiB",
            }],
            "domains": {"example.org": {"route": "sink"}},
            "relayNetworks": ["127.0.0.0/8"],
            "defaultRoute": "sink",
            "routes": {"sink": {"transport": "smtp", "host": "127.0.0.1", "port": sink_port}},
            "queue": {"directory": str(folder / "queue")},
            "control": {"socket": str(folder / "run/control.sock")},
            "logging": {"format": "text", "level": "info"},
            "plugins": [],
        }
        self.configuration = folder / "config.json"
        self.configuration.write_text(json.dumps(configuration, indent=2))
        self.start()

    def start(self) -> float:
        """Starts the hub; gives the seconds until it greets."""
        self.process = subprocess.Popen(
            self.command(),
            stdout=(self.folder / "hub.log").open("ab"), stderr=subprocess.STDOUT,
        )
        self.pid = self.process.pid
        return wait_for_greeting(self.port)

    def command(self) -> list:
        return [self.executable, "serve", "--config", self.configuration]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()


def send(port: int, messages: int, sessions: int, size: int = 4096, reused: bool = True) -> float:
    """Sends with Postfix's smtp-source, over reused connections or one for each message; gives the seconds that it took."""
    start = time.monotonic()
    subprocess.run(
        ["smtp-source", *(["-d"] if reused else []), "-m", str(messages), "-s", str(sessions), "-l", str(size),
         "-f", "sender@example.net", "-t", "ann@example.org", f"127.0.0.1:{port}"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    return time.monotonic() - start
