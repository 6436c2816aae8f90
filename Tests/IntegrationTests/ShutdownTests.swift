import Foundation
import TestSupport
import Testing

@Suite("RFC 5321 section 3.8: SIGTERM and SIGHUP", .timeLimit(.minutes(2)))
struct ShutdownTests {
    @Test("SIGTERM: a transaction under way ends, the idle client gets 421, the status is 0 (S5321-3.8-04)")
    func graceful() async throws {
        try await onThread {
            let scenario = try Scenario()
            let hub = scenario.hub
            try hub.start()
            let idle = try scenario.client()
            let sending = try scenario.client()
            let early = try scenario.client()
            _ = try sending.expect("250", "MAIL FROM:<ann@example.org>")
            _ = try sending.expect("250", "RCPT TO:<bob@example.org>")
            _ = try sending.expect("354", "DATA")
            try sending.send("Subject: under way\r\n\r\nfirst half\r\n".utf8)
            _ = try early.expect("250", "MAIL FROM:<ann@example.org>")
            hub.signal(SIGTERM)
            #expect(try idle.reply().hasPrefix("421"))
            idle.close()
            // Nobody new is let in.
            #expect(eventually { (try? SMTPTestClient(port: hub.port, timeout: 1)) == nil })
            _ = try early.expect("250", "RCPT TO:<carol@example.org>")
            _ = try early.expect("354", "DATA")
            try early.send("Subject: begun\r\n\r\n.\r\n".utf8)
            #expect(try early.reply().hasPrefix("250"))
            try sending.send("second half\r\n.\r\n".utf8)
            #expect(try sending.reply().hasPrefix("250"))
            #expect(try sending.reply().hasPrefix("421"))
            sending.close()
            early.close()
            #expect(hub.stop() == 0)
            #expect(!hub.logLines("hub stopped").isEmpty)
            // What was taken is delivered, if not before the end, then after the next start.
            try hub.start()
            #expect(try scenario.message(for: "bob").text.contains("first half\r\nsecond half\r\n"))
            #expect(try scenario.message(for: "carol").text.contains("Subject: begun\r\n"))
            #expect(hub.stop() == 0)
        }
    }

    @Test("SIGTERM: a delivery under way ends, and is not repeated; the rest waits for the next start")
    func deliveryUnderWay() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            // -w: the sink takes a second over each message.
            guard let sink = try MailSink(folder: directory.url, options: ["-w", "1"]) else { return }
            try sink.start()
            let scenario = try Scenario(
                in: directory,
                routes: ["out": ["transport": "smtp", "host": "127.0.0.1", "port": sink.port]],
                more: ["defaultRoute": "out", "throttles": ["default": ["concurrency": 1]]]
            )
            let hub = scenario.hub
            try hub.start()
            for number in 0..<3 { try scenario.send(to: "bob\(number)@far.example") }
            #expect(
                try eventually {
                    let json = try hub.command("status", "--json").output
                    return json.contains("\"deliveries\":1,")
                }
            )
            #expect(hub.stop() == 0)
            try hub.start()
            #expect(try hub.isDrained())
            #expect(sink.messages.count == 3)
            let told = sink.messages.flatMap { $0.split(separator: "\n").filter { $0.hasPrefix("X-Rcpt-Args:") } }
            #expect(Set(told).count == 3, "each was delivered once")
            #expect(hub.stop() == 0)
            sink.stop()
        }
    }

    @Test("A client that does not end its transaction holds the hub up no longer than shutdownGrace")
    func grace() async throws {
        try await onThread {
            let scenario = try Scenario(more: ["shutdownGrace": "1s"])
            try scenario.hub.start()
            let client = try scenario.client()
            _ = try client.expect("250", "MAIL FROM:<ann@example.org>")
            #expect(scenario.hub.stop() == 0)
            client.close()
        }
    }

    @Test("SIGHUP: a good configuration is in force for new sessions, a bad one changes nothing; open sessions go on")
    func reload() async throws {
        try await onThread {
            let scenario = try Scenario()
            let hub = scenario.hub
            try hub.start()
            let open = try scenario.client()
            _ = try open.expect("250", "MAIL FROM:<ann@example.org>")
            try scenario.reconfigure { configuration in
                configuration["domains"] = ["example.org": ["route": "store"], "new.example": ["route": "store"]]
                configuration["relayNetworks"] = [String]()
            }
            hub.signal(SIGHUP)
            #expect(eventually { !hub.logLines("configuration reloaded").isEmpty })
            let fresh = try scenario.client()
            _ = try fresh.expect("250", "MAIL FROM:<ann@example.org>")
            _ = try fresh.expect("250", "RCPT TO:<bob@new.example>")
            _ = try fresh.expect("55", "RCPT TO:<bob@far.example>")
            // The open session has lost nothing.
            _ = try open.expect("250", "RCPT TO:<bob@example.org>")
            _ = try open.expect("354", "DATA")
            try open.send("Subject: open\r\n\r\n.\r\n".utf8)
            #expect(try open.reply().hasPrefix("250"))
            #expect(try scenario.message(for: "bob").text.contains("Subject: open\r\n"))

            try scenario.reconfigure { configuration in
                configuration["domains"] = ["example.org": ["route": "nowhere"]]
            }
            hub.signal(SIGHUP)
            #expect(eventually { !hub.logLines("configuration kept").isEmpty })
            _ = try open.expect("250", "NOOP")
            let later = try scenario.client()
            _ = try later.expect("250", "MAIL FROM:<ann@example.org>")
            _ = try later.expect("250", "RCPT TO:<bob@new.example>")
            for client in [open, fresh, later] { client.close() }
            #expect(hub.stop() == 0)
        }
    }
}
