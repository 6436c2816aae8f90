import MailHubPlugin
import MailHubPluginTesting
import Testing

/// The stages at which sessions and deliveries ask plugins; TLS and AUTH have tests with the modules that offer them.
enum ProbedStage: String, CaseIterable, CustomTestStringConvertible, Sendable {
    case connect, hello, sender, resolver, recipient, data, header, message, recipientMessage, route, queued, disconnect
    case delivery, deliveryOutcome

    var testDescription: String { self.rawValue }

    var type: any Probe.Type {
        switch self {
        case .connect: ConnectProbe.self
        case .hello: HelloProbe.self
        case .sender: SenderProbe.self
        case .resolver: ResolverProbe.self
        case .recipient: RecipientProbe.self
        case .data: DataProbe.self
        case .header: HeaderProbe.self
        case .message: MessageProbe.self
        case .recipientMessage: RecipientMessageProbe.self
        case .route: RouteProbe.self
        case .queued: QueuedProbe.self
        case .disconnect: DisconnectProbe.self
        case .delivery: DeliveryProbe.self
        case .deliveryOutcome: DeliveryOutcomeProbe.self
        }
    }

    /// A plugin at the stage.
    func probe(
        _ name: String,
        _ scribe: Scribe,
        ignoresFailure: Bool = false,
        timeLimits: [Stage: Duration] = [:],
        breaksAfter failures: Int = 5,
        _ behaviour: @escaping @Sendable () -> Behaviour
    ) -> TestHub.Plugin {
        let type = self.type
        return TestHub.Plugin(
            named: name,
            ignoresFailure: ignoresFailure,
            timeLimits: timeLimits,
            breaksAfter: failures
        ) { _, _ in type.init(call: ProbeCall(name: name, scribe: scribe, behaviour: behaviour)) }
    }
}

/// Takes a message through a hub until a stage has been reached.
struct StageDrive {
    static let content = "Subject: hello\r\n\r\nHi\r\n"
    let hub: TestHub

    /// What the client, or the queue in place of the next hop, hears at the stage.
    func reply(at stage: ProbedStage) async throws -> String {
        let client = try await self.hub.connect()
        return try await self.reply(at: stage, client)
    }

    private func reply(at stage: ProbedStage, _ client: TestClient) async throws -> String {
        if stage == .connect { return client.greeting }
        let hello = try await client.send("EHLO client.example.net")
        if stage == .hello { return hello }
        let sender = try await client.send("MAIL FROM:<a@example.net>")
        if stage == .sender { return sender }
        let recipient = try await client.send("RCPT TO:<ann@example.org>")
        if stage == .resolver || stage == .recipient { return recipient }
        let data = try await client.send("DATA")
        if stage == .data { return data }
        await client.send(octets: Array("\(Self.content).\r\n".utf8))
        let end = try await client.nextReply()
        switch stage {
        case .delivery:
            guard let message = try await self.hub.messages.last else { return "nothing was taken" }
            switch try await self.hub.deliver(message) {
            case .sent: return "sent"
            case .refused(let reply): return reply.description
            }
        case .deliveryOutcome:
            guard let message = try await self.hub.messages.last else { return "nothing was taken" }
            await self.hub.finish(message, .delivered, Reply(250, "ok"))
        case .queued:
            _ = try await client.send("NOOP")
        case .disconnect:
            _ = try await client.send("QUIT")
            try await client.finished()
        case .connect, .hello, .sender, .resolver, .recipient, .data, .header, .message, .recipientMessage, .route:
            break
        }
        return end
    }

    /// The reply at a stage whose plugin does not answer: time is moved until it comes.
    func reply(at stage: ProbedStage, whileHanging scribe: Scribe, _ seconds: Int = 11) async throws -> String {
        async let reply = self.reply(at: stage)
        try await scribe.has("probe \(stage.rawValue)")
        await self.hub.advance(by: .seconds(seconds))
        return try await reply
    }
}
