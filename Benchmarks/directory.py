#!/usr/bin/env python3
"""Measures recipient checks against a directory: the hub with LDAPRecipients beside Debian's Postfix with its ldap table.

    swift build -c release --product mailhub && Benchmarks/directory.py

Needs root and Debian's slapd, ldap-utils, postfix and postfix-ldap; all traffic stays on loopback. One slapd with 10,000 people
serves both. The load is SMTP: each session sends MAIL and then RCPT for addresses of its own, fifty in one write, and nothing
else. Cold means that no address is asked twice; cached, that all were asked before. Ratios are what counts.
"""

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from peers import Hub, Postfix, cpu_seconds, free_port

ROOT = Path(__file__).resolve().parent.parent
PEOPLE = 10000
BASE = "dc=example,dc=org"


class Slapd:
    """A private slapd with 10,000 people."""

    def __init__(self, folder: Path):
        self.port = free_port()
        database = folder / "ldap"
        database.mkdir()
        configuration = folder / "slapd.conf"
        configuration.write_text(f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/misc.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
database mdb
suffix "{BASE}"
rootdn "cn=admin,{BASE}"
directory {database}
maxsize 268435456
index objectClass,mail,mailLocalAddress eq
access to * by * read
""")
        entries = [f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: example\ndc: example\n"]
        for number in range(PEOPLE):
            entries.append(
                f"dn: cn=person{number},{BASE}\nobjectClass: inetOrgPerson\ncn: person{number}\nsn: {number}\n"
                f"mail: person{number}@example.org\n")
        ldif = folder / "people.ldif"
        ldif.write_text("\n".join(entries))
        subprocess.run(["slapadd", "-q", "-f", str(configuration), "-l", str(ldif)], check=True, stderr=subprocess.DEVNULL)
        self.process = subprocess.Popen(
            ["slapd", "-d", "0", "-f", str(configuration), "-h", f"ldap://127.0.0.1:{self.port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                time.sleep(0.02)
        raise TimeoutError("slapd does not listen")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Session:
    """An SMTP client that asks for recipients, many in one write."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.pending = b""
        self.replies(1)
        self.say(b"EHLO client.example.net\r\n", 1)

    def replies(self, count: int) -> list[bytes]:
        found = []
        while len(found) < count:
            lines = self.pending.split(b"\r\n")
            self.pending = lines.pop()
            found += [line for line in lines if line[3:4] == b" "]
            if len(found) < count:
                piece = self.socket.recv(65536)
                if not piece:
                    raise ConnectionError("closed")
                self.pending += piece
        return found

    def say(self, text: bytes, count: int) -> list[bytes]:
        self.socket.sendall(text)
        return self.replies(count)

    def ask(self, addresses: list[str]) -> None:
        for start in range(0, len(addresses), 50):
            piece = addresses[start:start + 50]
            commands = ["MAIL FROM:<sender@example.net>", *(f"RCPT TO:<{address}>" for address in piece), "RSET"]
            answers = self.say(("\r\n".join(commands) + "\r\n").encode(), len(commands))
            wrong = [answer for answer in answers if not answer.startswith(b"250")]
            if wrong:
                raise ValueError(f"refused: {wrong[0]!r}")


def lookups_per_second(port: int, addresses: list[str], sessions: int) -> float:
    clients = [Session(port) for _ in range(sessions)]
    failures: list[Exception] = []
    start_line = threading.Barrier(sessions + 1)

    def work(index: int) -> None:
        start_line.wait()
        try:
            clients[index].ask(addresses[index::sessions])
        except Exception as error:  # told by the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(sessions)]
    for thread in threads:
        thread.start()
    start_line.wait()
    start = time.monotonic()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    for client in clients:
        client.socket.close()
    if failures:
        raise failures[0]
    return len(addresses) / seconds


def hub(folder: Path, executable: Path, ldap: int) -> Hub:
    """The hub with the directory: nothing is in its caches."""
    made = Hub(folder, executable, free_port())
    made.stop()
    configuration = json.loads(made.configuration.read_text())
    configuration["directory"] = {"urls": [f"ldap://127.0.0.1:{ldap}"], "base": BASE}
    configuration["plugins"] = [{"plugin": "LDAPRecipients"}]
    configuration["listeners"][0]["maximumRecipients"] = 1000
    made.configuration.write_text(json.dumps(configuration, indent=2))
    made.start()
    return made


def postfix(folder: Path, ldap: int, proxy: bool) -> Postfix:
    """Postfix with its ldap table for the recipients of the served domain."""
    made = Postfix(folder, free_port(), hold=False)
    table = folder / "etc/recipients.cf"
    table.write_text(
        f"server_host = ldap://127.0.0.1:{ldap}\nversion = 3\nbind = no\nsearch_base = {BASE}\n"
        "query_filter = (|(mail=%s)(mailLocalAddress=%s))\nresult_attribute = mail\n")
    name = f"{'proxy:' if proxy else ''}ldap:{table}"
    with (folder / "etc/main.cf").open("a") as settings:
        settings.write(
            "relay_domains = example.org\n"
            f"relay_recipient_maps = {name}\n"
            f"proxy_read_maps = {name}\n"
            "smtpd_recipient_restrictions = reject_unauth_destination, reject_unlisted_recipient\n"
            "smtpd_recipient_limit = 1000\nsmtpd_reject_unlisted_recipient = yes\n")
    subprocess.run([*made.command, "reload"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executable", type=Path, default=ROOT / ".build/release/mailhub")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side; the median is shown")
    parser.add_argument("--sessions", type=int, nargs="*", default=[1, 50])
    parser.add_argument("--single", type=int, default=2000, help="addresses that one session alone asks for")
    parser.add_argument("--folder", type=Path, default=ROOT / "var")
    arguments = parser.parse_args()
    if not arguments.executable.exists():
        parser.error(f"{arguments.executable} is not there: run 'swift build -c release --product mailhub' first")
    for tool, package in (("slapd", "slapd"), ("slapadd", "slapd"), ("postfix", "postfix")):
        if shutil.which(tool) is None:
            parser.error(f"{tool} is missing: apt-get install {package}")
    if not Path("/usr/lib/postfix/postfix-ldap.so").exists():
        parser.error("Postfix has no ldap table: apt-get install postfix-ldap")
    arguments.folder.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="mailhub-directory-", dir=arguments.folder))
    folder.chmod(0o755)
    slapd = Slapd(folder)
    people = [f"person{number}@example.org" for number in range(PEOPLE)]

    def asked(sessions: int) -> list[str]:
        return people[:arguments.single] if sessions == 1 else people

    unused = ["person0@example.org"] * 50
    serial = 0
    try:
        for sessions in arguments.sessions:
            results: dict[str, list[float]] = {"cold": [], "cached": [], "cpu": [], "ldap": [], "proxy:ldap": []}
            for _ in range(arguments.rounds):
                serial += 1
                made = hub(folder / f"hub-{serial}", arguments.executable, slapd.port)
                try:
                    lookups_per_second(made.port, unused, 1)
                    before = cpu_seconds(slapd.pid)
                    results["cold"].append(lookups_per_second(made.port, asked(sessions), sessions))
                    results["cpu"].append((cpu_seconds(slapd.pid) - before) / len(asked(sessions)) * 1000)
                    results["cached"].append(lookups_per_second(made.port, asked(sessions), sessions))
                finally:
                    made.stop()
                for name in ("ldap", "proxy:ldap"):
                    made = postfix(folder / f"postfix-{serial}-{name[:2]}", slapd.port, name.startswith("proxy"))
                    try:
                        lookups_per_second(made.port, unused * sessions, sessions)
                        results[name].append(lookups_per_second(made.port, asked(sessions), sessions))
                    finally:
                        made.stop()
            median = {name: statistics.median(values) for name, values in results.items()}
            for way in ("cold", "cached"):
                mark = "3 x" if way == "cold" else "10 x"
                print(
                    f"{sessions} sessions, {way}: hub {median[way]:,.0f}/s; Postfix ldap {median['ldap']:,.0f}/s "
                    f"({median[way] / median['ldap']:.2f} x), proxy:ldap {median['proxy:ldap']:,.0f}/s "
                    f"({median[way] / median['proxy:ldap']:.2f} x); mark: {mark}", flush=True)
            print(f"{sessions} sessions: slapd's CPU for a look-up of the hub: {median['cpu']:.3f} ms", flush=True)
    finally:
        slapd.stop()
    print(f"\nQueues and logs of this run: {folder}")


if __name__ == "__main__":
    main()
