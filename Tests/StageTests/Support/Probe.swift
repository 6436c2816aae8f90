import MailHubPlugin

/// A plugin at one stage that behaves as a test says.
protocol Probe: HubPlugin {
    static var stage: Stage { get }
    var call: ProbeCall { get }
    init(call: ProbeCall)
}

/// What a probe is called and does.
struct ProbeCall: Sendable {
    let name: String
    let scribe: Scribe
    let behaviour: @Sendable () -> Behaviour
}

extension Probe {
    init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.init(call: ProbeCall(name: "probe", scribe: Scribe()) { .next })
    }

    func called() async throws -> Behaviour {
        try await self.call.behaviour().called(self.call.name, Self.stage, self.call.scribe)
    }
}

struct ConnectProbe: Probe, ConnectHook {
    static let stage = Stage.connect
    let call: ProbeCall
    func connected(_ session: SessionContext) async throws -> ConnectOutcome {
        switch try await self.called() {
        case .accept: .accept
        case .reject(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        default: .next
        }
    }
}

struct HelloProbe: Probe, HelloHook {
    static let stage = Stage.hello
    let call: ProbeCall
    func hello(_ name: String, _ session: SessionContext) async throws -> HelloOutcome {
        switch try await self.called() {
        case .accept: .accept
        case .reject(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        case .disconnect(let reply): .disconnect(reply)
        default: .next
        }
    }
}

struct SenderProbe: Probe, SenderHook {
    static let stage = Stage.sender
    let call: ProbeCall
    func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome {
        switch try await self.called() {
        case .accept: .accept
        case .reject(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        case .disconnect(let reply): .disconnect(reply)
        case .discard: .discard
        case .hold(let reason): .hold(reason: reason)
        default: .next
        }
    }
}

struct ResolverProbe: Probe, RecipientResolver {
    static let stage = Stage.resolver
    let call: ProbeCall
    func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution {
        switch try await self.called() {
        case .accept: .found(ResolvedRecipient())
        case .reject: .notFound
        case .defer: .unavailable("the test says so")
        default: .next
        }
    }
}

struct RecipientProbe: Probe, RecipientHook {
    static let stage = Stage.recipient
    let call: ProbeCall
    func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        switch try await self.called() {
        case .accept: .accept
        case .reject(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        case .disconnect(let reply): .disconnect(reply)
        case .discard: .discard
        case .hold(let reason): .hold(reason: reason)
        default: .next
        }
    }
}

struct DataProbe: Probe, DataHook {
    static let stage = Stage.data
    let call: ProbeCall
    func data(_ transaction: TransactionContext, _ session: SessionContext) async throws -> DataOutcome {
        switch try await self.called() {
        case .accept: .accept
        case .reject(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        case .disconnect(let reply): .disconnect(reply)
        default: .next
        }
    }
}

extension MessageOutcome {
    init(_ behaviour: Behaviour) {
        switch behaviour {
        case .accept: self = .accept
        case .reject(let reply): self = .reject(reply)
        case .defer(let reply): self = .defer(reply)
        case .disconnect(let reply): self = .disconnect(reply)
        case .discard: self = .discard
        case .hold(let reason): self = .hold(reason: reason)
        default: self = .next
        }
    }
}

struct HeaderProbe: Probe, HeaderHook {
    static let stage = Stage.header
    let call: ProbeCall
    func header(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome { MessageOutcome(try await self.called()) }
}

struct MessageProbe: Probe, MessageHook {
    static let stage = Stage.message
    let call: ProbeCall
    func message(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome { MessageOutcome(try await self.called()) }
}

struct RecipientMessageProbe: Probe, RecipientMessageHook {
    static let stage = Stage.recipientMessage
    let call: ProbeCall
    func message(
        _ message: MessageContext,
        for recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientMessageOutcome {
        switch try await self.called() {
        case .accept: .accept
        case .reject(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        case .discard: .discard
        case .hold(let reason): .hold(reason: reason)
        default: .next
        }
    }
}

struct RouteProbe: Probe, RouteHook {
    static let stage = Stage.route
    let call: ProbeCall
    func route(for recipient: EnvelopeRecipient, _ transaction: TransactionContext) async throws -> RouteOutcome {
        if case .accept = try await self.called() { .route("elsewhere") } else { .next }
    }
}

struct QueuedProbe: Probe, QueuedHook {
    static let stage = Stage.queued
    let call: ProbeCall
    func queued(_ transaction: TransactionContext, size: Int, _ session: SessionContext) async throws {
        _ = try await self.called()
    }
}

struct DisconnectProbe: Probe, DisconnectHook {
    static let stage = Stage.disconnect
    let call: ProbeCall
    func disconnected(_ session: SessionContext) async throws { _ = try await self.called() }
}

struct DeliveryProbe: Probe, DeliveryHook {
    static let stage = Stage.delivery
    let call: ProbeCall
    func deliver(_ delivery: DeliveryContext, _ message: MessageContext) async throws -> DeliveryVerdict {
        switch try await self.called() {
        case .reject(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        default: .next
        }
    }
}

struct DeliveryOutcomeProbe: Probe, DeliveryOutcomeHook {
    static let stage = Stage.deliveryOutcome
    let call: ProbeCall
    func finished(_ delivery: DeliveryContext, _ outcomes: [DeliveryOutcome]) async throws {
        _ = try await self.called()
    }
}
