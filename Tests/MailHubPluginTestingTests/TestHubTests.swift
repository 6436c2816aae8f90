import MailHubPlugin
import MailHubPluginTesting
import Testing

/// Refuses bulk mail, and sends mail for the old address to the new one: what the README's first plugin does.
private struct FirstPlugin: RecipientHook, HeaderHook {
    private let old: Mailbox?
    private let new: Mailbox?

    init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.old = configuration.mailbox("old")
        self.new = configuration.mailbox("new")
    }

    func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        guard recipient.mailbox == self.old, let new = self.new else { return .next }
        return .change([.replace(new)])
    }

    func header(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome {
        guard message.header.first(named: "Precedence")?.value == "bulk" else { return .next }
        return .reject(Reply(550, EnhancedStatusCode(7, 1), "No bulk mail"))
    }
}

@Suite("Sessions without sockets")
struct TestHubTests {
    private static let configuration = #"{ "old": "old@example.org", "new": "new@example.org" }"#

    @Test("A message goes through the plugins, and what they made of it can be looked at")
    func message() async throws {
        let hub = try TestHub([.init(FirstPlugin.self, Self.configuration)])
        let client = try await hub.connect()
        #expect(client.greeting.hasPrefix("220 hub.example.org"))
        #expect(try await client.send("EHLO client.example.net").hasPrefix("250-"))
        let reply = try await client.deliver(
            from: "a@example.net",
            to: ["old@example.org"],
            "Subject: hello\r\n\r\n.dot\r\n"
        )
        #expect(reply.hasPrefix("250 2.0.0"))
        let messages = try await hub.messages
        #expect(messages.map(\.recipients) == [["new@example.org"]])
        #expect(messages.first?.body == ".dot\r\n")
        #expect(messages.first?.header.first(named: "Received") != nil)
    }

    @Test("A veto reaches the client")
    func veto() async throws {
        let hub = try TestHub([.init(FirstPlugin.self, Self.configuration)])
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        let content = "Precedence: bulk\r\n\r\nHi\r\n"
        #expect(
            try await client.deliver(from: "a@example.net", to: ["ann@example.org"], content)
                == "550 5.7.1 No bulk mail"
        )
        #expect(try await hub.messages.isEmpty)
    }

    @Test("A configuration that is wrong is told as mailhub check tells it")
    func configuration() async throws {
        #expect(throws: TestHub.ConfigurationRefused.self) {
            try TestHub([.init(FirstPlugin.self, #"{ "odl": "old@example.org" }"#)])
        }
    }
}
