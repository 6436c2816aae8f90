import MailHubPlugin
import MailHubPluginTesting
import SMTP
import Testing

/// States and reads facts at every stage of a session.
private struct FactWriter: ConnectHook, HelloHook, SenderHook, RecipientHook, HeaderHook, RecipientMessageHook {
    struct Seen: Fact { let count: Int }
    struct Origin: Fact { let name: String }
    let scribe: Scribe

    init(scribe: Scribe) { self.scribe = scribe }
    init(configuration: ConfigurationSection, services: PluginServices) throws { self.scribe = Scribe() }

    func connected(_ session: SessionContext) async throws -> ConnectOutcome {
        session.facts[Seen.self] = Seen(count: 1)
        return .next
    }
    func hello(_ name: String, _ session: SessionContext) async throws -> HelloOutcome {
        self.scribe.note("hello: session \(session.facts[Seen.self]?.count ?? 0)")
        return .next
    }
    func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome {
        self.scribe.note("sender: transaction \(transaction.facts[Seen.self]?.count ?? 0)")
        transaction.facts[Seen.self] = Seen(count: 2)
        return .next
    }
    func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        self.scribe.note("recipient: transaction \(transaction.facts[Seen.self]?.count ?? 0)")
        let facts = transaction.facts(of: recipient)
        self.scribe.note("recipient: \(facts[Origin.self]?.name ?? "nothing")")
        facts[Origin.self] = Origin(name: recipient.mailbox.localPart.value)
        guard recipient.mailbox.localPart.value == "list" else { return .next }
        return .change([.expand(["x", "y"].compactMap { Mailbox("\($0)@example.org") }, owner: nil)])
    }
    func message(
        _ message: MessageContext,
        for recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientMessageOutcome {
        let origin = transaction.facts(of: recipient)[Origin.self]?.name ?? "nothing"
        self.scribe.note("\(recipient.mailbox.localPart.value): \(origin)")
        return .next
    }
    func header(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome {
        let (ours, all) = (transaction.facts[Seen.self]?.count ?? 0, session.facts[Seen.self]?.count ?? 0)
        self.scribe.note("header: transaction \(ours), session \(all)")
        return .next
    }
}

/// Notes all events, and the end of their stream.
private struct Observer: SessionObserver, DeliveryOutcomeHook {
    let scribe: Scribe

    init(scribe: Scribe) { self.scribe = scribe }
    init(configuration: ConfigurationSection, services: PluginServices) throws { self.scribe = Scribe() }

    func observe(_ events: AsyncStream<SessionEvent>) async {
        for await event in events { self.scribe.note(Self.text(event.kind)) }
        self.scribe.note("end")
    }

    static func text(_ kind: SessionEvent.Kind) -> String {
        switch kind {
        case .connected: "connected"
        case .encrypted(let tls): "encrypted \(tls.version)"
        case .hello(let name): "hello \(name)"
        case .senderAccepted(let path): "sender \(path)"
        case .senderRefused(let path, let reply): "sender refused \(path) \(reply.code)"
        case .recipientAccepted(let mailbox): "recipient \(mailbox)"
        case .recipientRefused(let mailbox, let reply): "recipient refused \(mailbox) \(reply.code)"
        case .messageAccepted(_, _, let recipients): "message for \(recipients)"
        case .messageRefused(let reply): "message refused \(reply.code)"
        case .disconnected: "disconnected"
        }
    }

    func finished(_ delivery: DeliveryContext, _ outcomes: [DeliveryOutcome]) async throws {
        for outcome in outcomes {
            self.scribe.note(
                "\(outcome.recipient.mailbox) \(outcome.result.rawValue) \(outcome.reply) \(outcome.host ?? "")"
            )
        }
    }
}

@Suite("SessionObserver, DeliveryOutcomeHook and facts")
struct WatchingTests {
    @Test("Facts live as long as what they are about: the session, the transaction, or a recipient of it")
    func facts() async throws {
        let scribe = Scribe()
        let hub = try TestHub([TestHub.Plugin(named: "FactWriter") { _, _ in FactWriter(scribe: scribe) }])
        let client = try await hub.connect()
        _ = try await client.send("EHLO c.example")
        let recipients = ["ann@example.org", "list@example.org"]
        for _ in 0..<2 { _ = try await client.deliver(from: "a@b.example", to: recipients, "\r\nHi\r\n") }
        let recipient = ["recipient: transaction 2", "recipient: nothing"]
        let transaction =
            ["sender: transaction 0"] + recipient + recipient
            + ["header: transaction 2, session 1", "ann: ann", "x: list", "y: list"]
        #expect(scribe.notes == ["hello: session 1"] + transaction + transaction)
        #expect(client.facts[FactWriter.Seen.self]?.count == 1)
        let other = try await hub.connect()
        #expect(other.facts[FactWriter.Seen.self]?.count == 1)
    }

    @Test("An observer sees all that happens, and the end", arguments: [ListenerRole.mx, .lmtp])
    func observer(_ role: ListenerRole) async throws {
        let scribe = Scribe()
        var listener = TestHub.Listener()
        listener.role = role
        let hub = try TestHub(
            [TestHub.Plugin(named: "Observer") { _, _ in Observer(scribe: scribe) }],
            listener: listener
        )
        try await hub.running {
            let client = try await hub.connect()
            _ = try await client.send("\(role == .lmtp ? "LHLO" : "EHLO") c.example")
            let recipients = ["ann@example.org", "eve@example.com", "bob@example.org"]
            _ = try await client.deliver(from: "a@b.example", to: recipients, "\r\nHi\r\n")
            if role == .lmtp { _ = try await client.nextReply() }
            _ = try await client.send("QUIT")
            try await client.finished()
            try await scribe.has("disconnected")
        }
        #expect(
            scribe.notes == [
                "connected", "hello c.example", "sender a@b.example", "recipient ann@example.org",
                "recipient refused eve@example.com 550", "recipient bob@example.org", "message for 2", "disconnected",
                "end",
            ]
        )
    }

    @Test("Outcomes of deliveries", arguments: [DeliveryOutcome.Result.delivered, .deferred, .failed])
    func outcome(_ result: DeliveryOutcome.Result) async throws {
        let scribe = Scribe()
        let hub = try TestHub([TestHub.Plugin(named: "Observer") { _, _ in Observer(scribe: scribe) }])
        _ = try await StageDrive(hub: hub).reply(at: .message)
        let message = try #require(try await hub.messages.first)
        await hub.finish(message, result, Reply(250, EnhancedStatusCode(0, 0), "ok"), host: "mx.example.org")
        #expect(scribe.notes == ["ann@example.org \(result.rawValue) 250 2.0.0 ok mx.example.org"])
    }
}
