import Foundation
import TestSupport
import Testing

@Suite("CallAhead asks a real Postfix who exists")
struct CallAheadTests {
    @Test("250 and 550 are what the store says; while it is down, whom it knew is taken, all others wait")
    func postfix() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            let known = "inline:{ ann@example.org=ann/, ben@example.org=ben/ }"
            guard
                let postfix = try PostfixPeer(
                    folder: directory.url,
                    settings: ["virtual_mailbox_maps = \(known)", "smtpd_reject_unlisted_recipient = yes"]
                )
            else { return }
            try postfix.start()
            let hub = try HubProcess(
                folder: directory.url,
                route: ["transport": "smtp", "host": "127.0.0.1", "port": postfix.port],
                more: [
                    "relayNetworks": [String](),
                    "plugins": [["plugin": "CallAhead", "configuration": ["positive": "1s", "negative": "1s"]]],
                ]
            )
            try hub.start()
            let client = try SMTPTestClient(port: hub.port)
            _ = try client.expect("250", "EHLO c.example")
            _ = try client.expect("250", "MAIL FROM:<s@c.example>")
            #expect(try client.command("RCPT TO:<ann@example.org>").hasPrefix("250"))
            #expect(try client.command("RCPT TO:<zoe@example.org>").hasPrefix("550 5.1.1"))
            postfix.stop()
            // What it said is no longer fresh, and still counts.
            usleep(1_100_000)
            #expect(try client.command("RCPT TO:<ann@example.org>").hasPrefix("250"))
            #expect(try client.command("RCPT TO:<ben@example.org>").hasPrefix("451 4.4.3"))
            #expect(try client.command("RCPT TO:<zoe@example.org>").hasPrefix("451 4.4.3"))
            try postfix.start()
            #expect(try eventually { try client.command("RCPT TO:<ben@example.org>").hasPrefix("250") })
            _ = try client.command("QUIT")
            client.close()
            hub.stop()
            postfix.stop()
        }
    }
}
