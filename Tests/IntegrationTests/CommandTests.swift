import Foundation
import TestSupport
import Testing

@Suite("The operator's commands, as processes", .timeLimit(.minutes(2)))
struct CommandTests {
    /// A running hub with three messages that cannot be delivered now, and one delivered.
    private static func busyHub() throws -> Scenario {
        let scenario = try Scenario(
            routes: ["dead": ["transport": "smtp", "host": "127.0.0.1", "port": try freePort()]],
            more: ["defaultRoute": "dead", "queue": ["directory": "queue", "retry": ["10m"]]]
        )
        try scenario.hub.start()
        for name in ["a", "b", "c"] {
            try scenario.send(from: "\(name)@example.org", to: "\(name)@far.example", "x@\(name).example")
        }
        guard try eventually({ try scenario.hub.queue("--state", "deferred").count == 3 }) else {
            throw PeerFailure("not deferred: \(try scenario.hub.queue())")
        }
        return scenario
    }

    @Test("queue list, show, retry, hold, release, delete")
    func queue() async throws {
        try await onThread {
            let scenario = try Self.busyHub()
            let hub = scenario.hub
            let entries = try hub.queue()
            let ids = entries.compactMap { $0["id"] as? String }
            #expect(ids.count == 3)
            #expect(ids == ids.sorted(), "oldest first")
            #expect(entries.map { $0["sender"] as? String } == ["a@example.org", "b@example.org", "c@example.org"])
            #expect(try hub.queue("--sender", "B@").count == 1)
            #expect(try hub.queue("--domain", "far.example").count == 3)
            #expect(try hub.queue("--recipient", "x@c").count == 1)
            #expect(try hub.queue("--destination", "dead").count == 3)
            #expect(try hub.queue("--destination", "store").isEmpty)
            #expect(try hub.queue("--state", "held").isEmpty)
            #expect(try hub.queue("--limit", "2").count == 2)
            #expect(try hub.queue("--after", ids[1]).compactMap { $0["id"] as? String } == [ids[2]])

            let list = try hub.command("queue", "list", "--limit", "1")
            #expect(list.status == 0)
            #expect(list.output.contains("\(ids[0])  deferred"))
            #expect(list.output.contains("a@far.example +1"))
            #expect(list.output.contains("go on with --after \(ids[0])"))

            let show = try hub.command("queue", "show", ids[0])
            #expect(show.status == 0)
            #expect(show.output.contains("sender      <a@example.org>"))
            #expect(
                show.output.contains("<x@a.example>\n    destination   dead\n    attempts      1\n"),
                "\(show.output)"
            )
            #expect(try hub.command("queue", "show", "--json", ids[0]).output.contains("\"id\":\"\(ids[0])\""))
            #expect(try hub.command("queue", "show", "0000000000000").status == 1)
            #expect(try hub.command("queue", "show", "nonsense").status == 1)

            let hold = try hub.command("queue", "hold", ids[0], "--reason", "asking the owner")
            #expect(hold == (0, "1 message held\n"))
            let held = try hub.queue("--state", "held")
            #expect(held.map { $0["reason"] as? String } == ["asking the owner"])
            #expect(try hub.command("queue", "retry", "--all") == (0, "2 messages due now\n"))
            #expect(
                try eventually {
                    try hub.queue("--sender", "b@").first.flatMap { $0["recipients"] as? [[String: Any]] }?.first?[
                        "attempts"
                    ]
                        as? Int == 2
                }
            )
            #expect(try hub.command("queue", "release", "--state", "held") == (0, "1 message released\n"))
            #expect(try hub.queue("--state", "held").isEmpty)

            let refused = try hub.command("queue", "delete", "--sender", "b@")
            #expect(refused.status == 64)
            #expect(refused.output.contains("--all"))
            #expect(try hub.command("queue", "delete", "--sender", "b@", "--all") == (0, "1 message deleted\n"))
            let partly = try hub.command("queue", "delete", ids[0], ids[1])
            #expect(partly.status == 1)
            #expect(partly.output.contains("1 message deleted"))
            #expect(try hub.queue().compactMap { $0["id"] as? String } == [ids[2]])
            // Whoever changes something is in the log.
            #expect(!hub.logLines("queueDelete").isEmpty || !hub.logLines("operator").isEmpty, "\(hub.log.suffix(500))")
            #expect(hub.stop() == 0)
            #expect(hub.mailboxFiles("a").isEmpty, "nobody is notified of a deletion")
        }
    }

    @Test("status, reload, the socket's mode, and what there is to say without a hub")
    func statusAndReload() async throws {
        try await onThread {
            let scenario = try Self.busyHub()
            let hub = scenario.hub
            let client = try scenario.client()
            // The client that looked whether the hub had started may be about to leave.
            var status = try hub.command("status")
            for _ in 0..<100 where !status.output.contains("sessions       1") {
                usleep(100_000)
                status = try hub.command("status")
            }
            #expect(status.status == 0)
            #expect(status.output.contains("hub.example.org"))
            #expect(status.output.contains("3 messages"))
            #expect(status.output.contains("6 waiting, 0 held"))
            #expect(status.output.contains("sessions       1"))
            let json = try hub.command("status", "--json").output
            let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
            #expect((object?["queue"] as? [String: Any])?["messages"] as? Int == 3)
            client.close()

            let socket = scenario.folder.appending(path: "run/control.sock").path
            let attributes = try FileManager.default.attributesOfItem(atPath: socket)
            #expect((attributes[.posixPermissions] as? Int) == 0o600)
            #expect(try HubProcess.run(["status", "--socket", socket]).status == 0)

            let unchanged = try hub.command("reload")
            #expect(unchanged.status == 0)
            #expect(unchanged.output.contains("nothing has changed"))
            try scenario.reconfigure { $0["relayNetworks"] = ["127.0.0.0/8", "::1/128"] }
            let reload = try hub.command("reload")
            #expect(reload.status == 0)
            #expect(reload.output.contains("relayNetworks"), "\(reload.output)")
            try scenario.reconfigure { $0["hostname"] = "nonsense" }
            let refused = try hub.command("reload")
            #expect(refused.status == 1)
            #expect(refused.output.contains("hostname"), "\(refused.output)")
            #expect(hub.stop() == 0)
            #expect(!FileManager.default.fileExists(atPath: socket))
            for command in [["status"], ["queue", "list"], ["reload"], ["queue", "retry", "--all"]] {
                let gone = try HubProcess.run(command + ["--config", hub.configurationFile.path])
                #expect(gone.status == 69, "\(command): \(gone)")
            }
        }
    }

    @Test("check lists all problems, with their places; serve refuses the same")
    func check() async throws {
        try await onThread {
            let scenario = try Scenario()
            let good = try scenario.hub.command("check")
            #expect(good.status == 0)
            #expect(good.output.contains("no problems"))
            try scenario.reconfigure { configuration in
                configuration["hostnam"] = configuration.removeValue(forKey: "hostname")
                configuration["domains"] = ["example.org": ["route": "stroe"]]
                configuration["queue"] = ["retry": ["soon"]]
            }
            let bad = try scenario.hub.command("check")
            #expect(bad.status == 1)
            for place in ["$.hostname", "$.hostnam:", "$.domains", "$.queue.retry"] {
                #expect(bad.output.contains(place), "\(place) in \(bad.output)")
            }
            #expect(bad.output.contains("config.json:"))
            let serve = try scenario.hub.command("serve")
            #expect(serve.status != 0)
            #expect(serve.output.contains("$.domains"))
            try Data("{ not json".utf8).write(to: scenario.hub.configurationFile)
            #expect(try scenario.hub.command("check").status == 1)
            #expect(try HubProcess.run(["check", "--config", "/nonexistent/config.json"]).status == 1)
        }
    }

    @Test("version, and help for every command")
    func help() async throws {
        try await onThread {
            let version = try HubProcess.run(["version"])
            #expect(version.status == 0)
            #expect(version.output.contains("."))
            let queue = ["list", "show", "retry", "hold", "release", "delete", "suspend", "resume"]
            let commands =
                [[], ["serve"], ["check"], ["status"], ["reload"], ["version"], ["queue"]]
                + queue.map { ["queue", $0] }
            for command in commands {
                let help = try HubProcess.run(command + ["--help"])
                #expect(help.status == 0, "\(command)")
                #expect(help.output.contains("USAGE: mailhub"), "\(command)")
            }
            #expect(try HubProcess.run(["nonsense"]).status == 64)
        }
    }
}
