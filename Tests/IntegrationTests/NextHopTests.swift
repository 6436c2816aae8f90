import Foundation
import TestSupport
import Testing

@Suite("RFC 5321 section 4.5.4.1: a next hop that is down, and up again", .timeLimit(.minutes(2)))
struct NextHopTests {
    /// What the last attempt for the first recipient of a listed message came to.
    private static func lastReply(_ entry: [String: Any]?) -> String {
        let recipients = entry?["recipients"] as? [[String: Any]]
        return recipients?.first?["lastReply"] as? String ?? ""
    }

    // S5321-4.5.4.1-02, S5321-4.2.1-01.
    @Test("Mail waits, listings say why, and it goes when the hop is back (S5321-4.5.4.1-01)")
    func downAndUp() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let sink = try MailSink(folder: directory.url) else { return }
            let scenario = try Scenario(
                in: directory,
                routes: ["out": ["transport": "smtp", "host": "127.0.0.1", "port": sink.port]],
                more: ["defaultRoute": "out"]
            )
            let hub = scenario.hub
            try hub.start()
            try scenario.send(to: "bob@far.example", subject: "first")
            #expect(try eventually { Self.lastReply(try hub.queue().first).hasPrefix("451 4.4.1") })
            let (_, listing) = try hub.command("queue", "list")
            #expect(listing.contains("451 4.4.1 127.0.0.1: cannot be reached"), "\(listing)")
            // Other destinations are not kept waiting.
            try scenario.send(to: "carol@example.org")
            #expect(eventually { hub.mailboxFiles("carol").count == 1 })
            // A restart forgets nothing.
            #expect(hub.stop() == 0)
            try hub.start()
            #expect(try hub.queue().count == 1)
            try sink.start()
            #expect(try hub.isDrained())
            #expect(sink.messages.count == 1)
            #expect(sink.messages.first?.contains("Subject: first\n") == true)
            #expect(hub.stop() == 0)
            sink.stop()
        }
    }

    @Test("A suspended destination gets nothing until it is resumed")
    func suspension() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let sink = try MailSink(folder: directory.url) else { return }
            try sink.start()
            let scenario = try Scenario(
                in: directory,
                routes: [
                    "out": ["transport": "smtp", "host": "127.0.0.1", "port": sink.port],
                    "world": ["transport": "smtp", "lookup": "mx"],
                ],
                more: ["defaultRoute": "out"]
            )
            let hub = scenario.hub
            try hub.start()
            // Mail has just gone there: a session may be open.
            try scenario.send(to: "bob@far.example")
            #expect(eventually { sink.messages.count == 1 })
            #expect(try hub.command("queue", "suspend", "out") == (0, "1 destination suspended\n"))
            let again = try hub.command("queue", "suspend", "out")
            #expect(again.status == 1)
            #expect(again.output.contains("suspended already"))
            try scenario.send(to: "bob@far.example")
            try scenario.send(to: "carol@example.org")
            #expect(eventually { hub.mailboxFiles("carol").count == 1 })
            usleep(500_000)
            #expect(sink.messages.count == 1)
            #expect(try hub.queue().count == 1)
            #expect(try hub.command("status").output.contains("suspended by the operator"))
            // Retrying is not resuming.
            _ = try hub.command("queue", "retry", "--all")
            usleep(300_000)
            #expect(sink.messages.count == 1)
            for (name, complaint) in [
                ("nowhere", "there is no route \"nowhere\""), ("store/x.example", "has one destination"),
                ("world", "a destination for each domain"), ("world/", "a destination for each domain"),
            ] {
                let refused = try hub.command("queue", "suspend", name)
                #expect(refused.status == 1)
                #expect(refused.output.contains(complaint), "\(refused.output)")
            }
            #expect(try hub.command("queue", "suspend", "world/Far.example", "world/[192.0.2.1]").status == 0)
            #expect(try hub.command("status").output.contains("world/far.example"))
            #expect(try hub.command("queue", "resume", "world/far.example", "world/[192.0.2.1]").status == 0)
            #expect(try hub.command("queue", "resume", "out") == (0, "1 destination resumed\n"))
            #expect(eventually { sink.messages.count == 2 })
            #expect(try hub.isDrained())
            #expect(try hub.command("queue", "resume", "out").status == 1)
            #expect(hub.stop() == 0)
            sink.stop()
        }
    }
}
