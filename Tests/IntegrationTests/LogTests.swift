import Foundation
import TestSupport
import Testing

@Suite("The log: a message can be followed by its name", .timeLimit(.minutes(2)))
struct LogTests {
    @Test("From its acceptance to each recipient's outcome, through Received fields and notifications (S5321-4.4-01)")
    func follow() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            let options = ["-f", "RCPT", "-B", "550 5.1.1 Nobody here"]
            guard let sink = try MailSink(folder: directory.url, options: options) else { return }
            try sink.start()
            let scenario = try Scenario(
                in: directory,
                routes: ["out": ["transport": "smtp", "host": "127.0.0.1", "port": sink.port]],
                more: ["defaultRoute": "out"]
            )
            let hub = scenario.hub
            try hub.start()
            let reply = try scenario.send(from: "ann@example.org", to: "bob@example.org", "carol@far.example")
            let id = try #require(reply.split(separator: " ").last.map(String.init))
            #expect(id.utf8.count == 13)
            #expect(try hub.isDrained())
            #expect(try scenario.message(for: "bob").text.contains(" id \(id)"))
            for (event, to) in [
                ("message accepted", "from="), ("recipient delivered", "to=bob@example.org"),
                ("recipient failed", "to=carol@far.example"), ("sender notified", "to="),
            ] {
                // The log is written behind the hub's back.
                #expect(
                    eventually {
                        hub.logLines("queue-id=\(id)").contains {
                            $0.contains(event) && (to.isEmpty || $0.contains(to))
                        }
                    },
                    "\(event) in \(hub.logLines(id))"
                )
            }
            let lines = hub.logLines("queue-id=\(id)")
            let accepted = try #require(lines.first { $0.contains("message accepted") })
            #expect(accepted.contains("session="))
            #expect(accepted.contains("from="))
            let failed = try #require(lines.first { $0.contains("recipient failed") })
            #expect(failed.contains("550 5.1.1 Nobody here"))
            #expect(failed.contains("host=127.0.0.1"))
            // The notification is a message of its own, and can be followed as well.
            let notified = try #require(lines.first { $0.contains("sender notified") })
            let notification = try #require(
                notified.split(separator: " ").first { $0.hasPrefix("notification=") }?.dropFirst("notification=".count)
            )
            #expect(
                eventually {
                    hub.logLines("queue-id=\(notification)").contains { $0.contains("recipient delivered") }
                }
            )
            #expect(hub.stop() == 0)
            sink.stop()
        }
    }
}
