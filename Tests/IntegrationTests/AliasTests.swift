import Foundation
import TestSupport
import Testing

@Suite("What aliases lead to is looked up by the resolvers behind them")
struct AliasTests {
    @Test("alias domains take whom the next resolver knows; lists need one member who exists")
    func chain() async throws {
        try await onThread {
            let scenario = try Scenario(more: [
                "domains": ["example.org": ["route": "store"], "old.example.org": ["route": "store"]],
                "relayNetworks": [String](),
                "plugins": [
                    [
                        "plugin": "Aliases",
                        "configuration": [
                            "aliases": [
                                "@old.example.org": ["@example.org"], "info@example.org": ["ann@example.org"],
                                "lost@example.org": ["gone@example.org"], "far@example.org": ["x@remote.example"],
                                "team@example.org": ["ann@example.org", "gone@example.org"],
                                "nobody@example.org": ["gone@example.org", "away@example.org"],
                                "mixed@example.org": ["gone@example.org", "x@remote.example"],
                            ]
                        ],
                    ],
                    [
                        "plugin": "StaticRecipients",
                        "configuration": [
                            "recipients": ["ann@example.org", "boss@example.org"], "domains": ["example.org"],
                        ],
                    ],
                ],
            ])
            try scenario.hub.start()
            let client = try scenario.client()
            for (recipient, wanted) in [
                ("ann@example.org", "250"), ("ann@old.example.org", "250"), ("zoe@old.example.org", "550 5.1.1"),
                ("info@old.example.org", "250"), ("lost@example.org", "550 5.1.1"), ("far@example.org", "250"),
                ("team@example.org", "250"), ("nobody@example.org", "550 5.1.1"), ("mixed@example.org", "250"),
                ("zoe@example.org", "550 5.1.1"),
            ] {
                _ = try client.expect("250", "MAIL FROM:<sender@client.example.net>")
                let reply = try client.command("RCPT TO:<\(recipient)>")
                #expect(reply.hasPrefix(wanted), "\(recipient): \(reply)")
                _ = try client.expect("250", "RSET")
            }
            client.close()
            try scenario.send(from: "s@client.example.net", to: "ann@old.example.org")
            #expect(try !scenario.message(for: "ann").isEmpty)
            #expect(scenario.hub.log.contains("an alias leads nowhere"))
            #expect(scenario.hub.stop() == 0)
        }
    }
}
