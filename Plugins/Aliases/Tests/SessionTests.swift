import Aliases
import MailHubPlugin
import MailHubPluginTesting
import Testing

@Suite("Aliases: what becomes of a message")
struct AliasSessionTests {
    @Test("a list, an alias domain, and an address that is none")
    func recipients() async throws {
        let configuration = #"""
            {"aliases": {"all@example.org": ["a@example.org", "b@example.com"], "owner-all@example.org": ["a@example.org"],
             "@old.example.org": ["@example.org"]}}
            """#
        var listener = TestHub.Listener()
        listener.servedDomains = ["example.org", "old.example.org"]
        let hub = try TestHub([.init(Aliases.self, configuration)], listener: listener)
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        let replies = try await client.replies(
            from: "x@example.net",
            to: ["all@example.org", "carl@old.example.org", "nobody@example.org"],
            "A: 1\r\n\r\nx\r\n"
        )
        #expect(
            replies.map { $0.prefix(9) } == [
                "250 2.1.0", "250 2.1.5", "250 2.1.5", "550 5.1.1", "354 Start", "250 2.0.0",
            ]
        )
        let messages = try await hub.messages
        #expect(messages.map(\.recipients) == [["a@example.org", "b@example.com", "carl@example.org"]])
    }
}
