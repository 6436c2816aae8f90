import MailHubPlugin
import MailHubPluginTesting
import Testing

/// Answers for each recipient as the local part says.
private struct ByRecipient: RecipientHook, RecipientMessageHook, QueuedHook {
    let scribe: Scribe

    init(scribe: Scribe) { self.scribe = scribe }
    init(configuration: ConfigurationSection, services: PluginServices) throws { self.scribe = Scribe() }

    func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        guard recipient.mailbox.localPart.value == "group" else { return .next }
        return .change([.expand(["ann", "no"].compactMap { Mailbox("\($0)@example.org") }, owner: nil)])
    }

    func message(
        _ message: MessageContext,
        for recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientMessageOutcome {
        switch recipient.mailbox.localPart.value.split(separator: "-").first.map({ String($0) }) {
        case "no": .reject(Reply(550, EnhancedStatusCode(7, 1), "Not for \(recipient.mailbox.localPart.value)"))
        case "later": .defer(Reply(450, EnhancedStatusCode(7, 1), "Later"))
        case "drop": .discard
        case "hold": .hold(reason: "look at it")
        case "tag":
            .change([.header(.prepend(name: "X-For", value: recipient.mailbox.localPart.value))])
        case "body": .change([.replaceBody(Array("Replaced\r\n".utf8))])
        default: .next
        }
    }

    func queued(_ transaction: TransactionContext, size: Int, _ session: SessionContext) async throws {
        let recipients = transaction.envelope.recipients.map(\.mailbox.localPart.value)
        self.scribe.note("queued \(recipients.sorted().joined(separator: " "))")
    }
}

@Suite("RecipientMessageHook: one message, several recipients, different verdicts")
struct RecipientMessageTests {
    struct Row: CustomTestStringConvertible, Sendable {
        let rule: String
        var isRelayClient = false
        let recipients: [String]
        let reply: String
        /// What is stored: for each copy its recipients, `!` in front where it is held.
        let stored: [String]
        var notified: [String] = []
        var testDescription: String {
            "\(self.rule)\(self.isRelayClient ? ", relay client" : ""): \(self.recipients.joined(separator: " "))"
        }
    }

    static func hub(_ rule: String, isRelayClient: Bool = false, lmtp: Bool = false, _ scribe: Scribe = Scribe()) throws
        -> TestHub
    {
        var listener = TestHub.Listener()
        listener.differingVerdicts = rule
        if isRelayClient { listener.relayNetworks = ["192.0.2.0/24"] }
        if lmtp { listener.role = .lmtp }
        return try TestHub(
            [TestHub.Plugin(named: "ByRecipient") { _, _ in ByRecipient(scribe: scribe) }],
            listener: listener
        )
    }

    static func stored(_ hub: TestHub) async throws -> [String] {
        try await hub.messages.map { message in
            let names = message.envelope.recipients.map(\.mailbox.localPart.value).joined(separator: " ")
            return (message.holdReason == nil ? "" : "!") + names
        }
    }

    static func client(_ hub: TestHub, _ hello: String = "EHLO c.example") async throws -> TestClient {
        let client = try await hub.connect()
        _ = try await client.send(hello)
        return client
    }

    static let rows = [
        Row(rule: "refuse", recipients: ["ann", "bob"], reply: "250 2.0.0", stored: ["ann bob"]),
        Row(rule: "refuse", recipients: ["no", "no-2"], reply: "550 5.7.1 Not for no", stored: []),
        Row(rule: "refuse", recipients: ["no", "later"], reply: "450 4.7.1 Later", stored: []),
        Row(rule: "refuse", recipients: ["ann", "no"], reply: "451 4.7.1", stored: []),
        Row(rule: "refuse", recipients: ["ann", "later"], reply: "451 4.7.1", stored: []),
        Row(rule: "refuse", recipients: ["drop", "ann"], reply: "250 2.0.0", stored: ["ann"]),
        Row(rule: "refuse", recipients: ["drop", "drop-2"], reply: "250 2.0.0", stored: []),
        Row(rule: "refuse", recipients: ["drop", "no"], reply: "451 4.7.1", stored: []),
        Row(rule: "refuse", recipients: ["hold", "ann"], reply: "250 2.0.0", stored: ["!hold", "ann"]),
        Row(rule: "refuse", recipients: ["tag", "ann", "tag-2"], reply: "250 2.0.0", stored: ["tag", "ann", "tag-2"]),
        Row(
            rule: "refuse",
            recipients: ["body", "ann", "body-2"],
            reply: "250 2.0.0",
            stored: ["body body-2", "ann"]
        ),
        // A group with a member that refuses: nobody could tell it apart the next time.
        Row(rule: "refuse", recipients: ["group"], reply: "550 5.7.1 Not for no", stored: []),
        Row(rule: "refuse", recipients: ["group", "later"], reply: "450 4.7.1 Later", stored: []),
        Row(rule: "refuse", recipients: ["group", "ann"], reply: "451 4.7.1", stored: []),
        Row(rule: "hold", recipients: ["group"], reply: "250 2.0.0", stored: ["ann", "!no"]),
        Row(rule: "hold", recipients: ["ann", "no"], reply: "250 2.0.0", stored: ["ann", "!no"]),
        Row(rule: "hold", recipients: ["ann", "later"], reply: "451 4.7.1", stored: []),
        Row(rule: "hold", recipients: ["no", "no-2"], reply: "550 5.7.1", stored: []),
        Row(rule: "bounce", recipients: ["ann", "no"], reply: "451 4.7.1", stored: []),
        Row(
            rule: "bounce",
            isRelayClient: true,
            recipients: ["ann", "no"],
            reply: "250 2.0.0",
            stored: ["ann"],
            notified: ["no@example.org"]
        ),
        Row(rule: "bounce", isRelayClient: true, recipients: ["drop", "no"], reply: "451 4.7.1", stored: []),
        Row(rule: "bounce", isRelayClient: true, recipients: ["ann", "later"], reply: "451 4.7.1", stored: []),
    ]

    @Test("SMTP has one reply: the listener's rule decides", arguments: Self.rows)
    func oneReply(_ row: Row) async throws {
        let scribe = Scribe()
        let hub = try Self.hub(row.rule, isRelayClient: row.isRelayClient, scribe)
        let client = try await Self.client(hub)
        let recipients = row.recipients.map { "\($0)@example.org" }
        let reply = try await client.deliver(from: "a@example.net", to: recipients, "Subject: x\r\n\r\nHi\r\n")
        #expect(reply.hasPrefix(row.reply), "\(reply)")
        #expect(try await Self.stored(hub) == row.stored)
        #expect(hub.notified.map(\.description) == row.notified)
        #expect(hub.commits == (row.stored.isEmpty ? 0 : 1), "all copies in one commit")
        _ = try await client.send("NOOP")
        let queued = row.stored.flatMap { $0.split(separator: " ").map { $0.trimmingPrefix("!") } }.sorted()
        #expect(scribe.notes == (queued.isEmpty ? [] : ["queued \(queued.joined(separator: " "))"]))
    }

    @Test("Who differs is told apart at RCPT by 452 when the client comes again, and each gets its own reply")
    func apart() async throws {
        let hub = try Self.hub("refuse")
        let client = try await Self.client(hub)
        let all = ["ann@example.org", "no@example.org", "bob@example.org", "later@example.org"]
        let content = "Subject: x\r\n\r\nHi\r\n"
        #expect(try await client.deliver(from: "a@example.net", to: all, content).hasPrefix("451 4.7.1"))
        // Another client of its network, as large senders have them.
        let again = try await hub.connect(from: "192.0.2.99")
        _ = try await again.send("EHLO c.example")
        let replies = try await again.replies(from: "a@example.net", to: all, content)
        let codes = replies.map { String($0.prefix(9)) }
        #expect(codes == ["250 2.1.0", "250 2.1.5", "452 4.5.3", "250 2.1.5", "452 4.5.3", "354 Start", "250 2.0.0"])
        #expect(try await Self.stored(hub) == ["ann bob"])
        let rest = try await again.replies(from: "a@example.net", to: ["no@example.org", "later@example.org"], content)
        #expect(rest.map { String($0.prefix(9)) } == ["250 2.1.0", "250 2.1.5", "452 4.5.3", "354 Start", "550 5.7.1"])
        let last = try await again.deliver(from: "a@example.net", to: ["later@example.org"], content)
        #expect(last == "450 4.7.1 Later")
        // Nobody else is told apart, and after a day nobody at all.
        let other = try await again.replies(from: "b@example.net", to: Array(all.prefix(2)), content)
        #expect(other.dropFirst().first.map { $0.hasPrefix("250") } == true)
        await hub.advance(by: .seconds(90_000))
        let later = try await Self.client(hub)
        let forgotten = try await later.replies(from: "a@example.net", to: Array(all.prefix(2)), content)
        #expect(forgotten.dropFirst(2).first.map { $0.hasPrefix("250") } == true)
    }

    @Test("RFC 2033 section 4.2: LMTP has a reply for each recipient")
    func lmtp() async throws {
        let scribe = Scribe()
        let hub = try Self.hub("refuse", lmtp: true, scribe)
        let client = try await Self.client(hub, "LHLO c.example")
        _ = try await client.send("MAIL FROM:<a@example.net>")
        let names = ["ann", "no", "later", "drop", "tag", "hold"]
        for name in names { _ = try await client.send("RCPT TO:<\(name)@example.org>") }
        _ = try await client.send("DATA")
        await client.send(octets: Array("Subject: x\r\n\r\nHi\r\n.\r\n".utf8))
        var replies: [String] = []
        for _ in names { replies.append(String(try await client.nextReply().prefix(9))) }
        #expect(replies == ["250 2.0.0", "550 5.7.1", "450 4.7.1", "250 2.0.0", "250 2.0.0", "250 2.0.0"])
        #expect(try await Self.stored(hub) == ["ann", "tag", "!hold"])
        _ = try await client.send("NOOP")
        #expect(scribe.notes == ["queued ann hold tag"])
    }

    @Test("LMTP: all refuse, or all are thrown away", arguments: [["no", "later"], ["drop", "drop-2"]])
    func lmtpNobody(_ names: [String]) async throws {
        let scribe = Scribe()
        let hub = try Self.hub("refuse", lmtp: true, scribe)
        let client = try await Self.client(hub, "LHLO c.example")
        _ = try await client.send("MAIL FROM:<a@example.net>")
        for name in names { _ = try await client.send("RCPT TO:<\(name)@example.org>") }
        _ = try await client.send("DATA")
        await client.send(octets: Array("\r\nHi\r\n.\r\n".utf8))
        let expected = names[0] == "no" ? ["550 5.7.1", "450 4.7.1"] : ["250 2.0.0", "250 2.0.0"]
        for code in expected { #expect(try await client.nextReply().hasPrefix(code)) }
        #expect(try await hub.messages.isEmpty)
        _ = try await client.send("NOOP")
        #expect(scribe.notes.isEmpty)
    }

    @Test("A large message: copies in files of their own, each whole")
    func large() async throws {
        let hub = try Self.hub("refuse")
        let client = try await Self.client(hub)
        let body = String(repeating: "0123456789abcdef\r\n", count: 20_000)
        let recipients = ["tag", "ann", "tag-2", "hold", "body"].map { "\($0)@example.org" }
        let reply = try await client.deliver(from: "a@example.net", to: recipients, "Subject: x\r\n\r\n\(body)")
        #expect(reply.hasPrefix("250 2.0.0"), "\(reply)")
        let messages = try await hub.messages
        #expect(try await Self.stored(hub) == ["tag", "ann", "tag-2", "!hold", "body"])
        #expect(messages.map(\.body) == [body, body, body, body, "Replaced\r\n"])
        #expect(messages.map { $0.header.first(named: "X-For")?.value } == ["tag", nil, "tag-2", nil, nil])
        #expect(Set(messages.map(\.queueIdentifier)).count == 5)
        #expect(hub.contentFiles.count == 4, "a file for each large copy, and none is left over")
    }

    @Test("A large message that differs leaves no file")
    func largeRefused() async throws {
        let hub = try Self.hub("refuse")
        let client = try await Self.client(hub)
        let body = String(repeating: "0123456789abcdef\r\n", count: 20_000)
        let recipients = ["tag@example.org", "no@example.org"]
        #expect(try await client.deliver(from: "a@example.net", to: recipients, "\r\n\(body)").hasPrefix("451 4.7.1"))
        #expect(hub.contentFiles.isEmpty)
    }
}
