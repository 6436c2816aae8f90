#!/usr/bin/env python3
"""Measures what plugins cost that have nothing to say: accepting mail with none, with one at connect, and with ten at every stage.

    swift build -c release --product PluginBenchmark && Benchmarks/plugins.py

Needs Debian's postfix package for smtp-source; all traffic stays on loopback. Nothing is delivered meanwhile. The sides take turns, and
the ratio of their medians is what counts. CPU time says more than messages per second: it does not change with the disk.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from peers import Hub, cpu_seconds, free_port, send

ROOT = Path(__file__).resolve().parent.parent

SIDES = {
    "no plugin": [],
    "one at connect": ["AtConnect"],
    "a resolver": ["Everybody"],
    "a resolver, ten of next": [*(f"Next{number}" for number in range(10)), "Everybody"],
}


class EmbeddedHub(Hub):
    """The benchmark's own executable, which takes the configuration's path alone."""

    plugins: list[str] = []

    def command(self) -> list:
        configuration = json.loads(self.configuration.read_text())
        configuration["plugins"] = [{"plugin": name} for name in self.plugins]
        self.configuration.write_text(json.dumps(configuration, indent=2))
        return [self.executable, self.configuration]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executable", type=Path, default=ROOT / ".build/release/PluginBenchmark")
    parser.add_argument("--messages", type=int, default=12000)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=ROOT / "var")
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="mailhub-plugins-", dir=arguments.folder))
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in SIDES}
    for number in range(arguments.rounds):
        for name, plugins in SIDES.items():
            EmbeddedHub.plugins = plugins
            hub = EmbeddedHub(folder / f"{number}-{len(plugins)}-{''.join(plugins)[:8]}", arguments.executable, free_port())
            try:
                send(hub.port, 500, arguments.sessions)
                before = cpu_seconds(hub.pid)
                seconds = send(hub.port, arguments.messages, arguments.sessions)
                cpu = (cpu_seconds(hub.pid) - before) / arguments.messages * 1000
                results[name].append((arguments.messages / seconds, cpu))
            finally:
                hub.stop()
    for name, runs in results.items():
        rate, cpu = (statistics.median(run[index] for run in runs) for index in (0, 1))
        print(f"{name}: {rate:,.0f} messages/s, {cpu:.3f} ms of CPU a message")

    def change(name: str, to: str, index: int) -> float:
        first, second = (statistics.median(run[index] for run in results[side]) for side in (name, to))
        return (second / first - 1) * 100

    for name, to, mark in (("no plugin", "one at connect", "nothing"), ("a resolver", "a resolver, ten of next", "-10 %")):
        print(f"{name} -> {to}: messages/s {change(name, to, 0):+.1f} %, CPU {change(name, to, 1):+.1f} % (mark: {mark})")
    print(f"\nQueues and logs of this run: {folder}")


if __name__ == "__main__":
    main()
