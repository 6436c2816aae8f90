import MailHubPlugin

/// A plugin with a witness beside it, at all stages but `RecipientResolver`: to take part there changes which recipients exist.
protocol WatchedPlugin: ConnectHook, TLSHook, HelloHook, AuthenticationHook, SenderHook, RecipientHook, DataHook,
    HeaderHook,
    MessageHook, RecipientMessageHook, RouteHook, QueuedHook, DisconnectHook, DeliveryHook, DeliveryOutcomeHook,
    SessionObserver
{
    var plugin: any HubPlugin { get }
    var witness: Witness { get }
}

struct Watched: WatchedPlugin {
    let plugin: any HubPlugin
    let witness: Witness
}

struct WatchedResolver: WatchedPlugin, RecipientResolver {
    let plugin: any HubPlugin
    let witness: Witness

    func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution {
        guard let hook = self.plugin as? any RecipientResolver else { return .next }
        let outcome = try await self.witness.call(.resolver) { try await hook.resolve(mailbox, session) }
        if case .found(let resolved) = outcome { self.witness.check(.resolver, resolved.edits, self.plugin) }
        return outcome
    }
}

/// Thrown where the suite's own plugin is made from a configuration, which nobody does.
private struct NotConfigurable: Error {}

extension WatchedPlugin {
    init(configuration: ConfigurationSection, services: PluginServices) throws { throw NotConfigurable() }

    var edits: Set<EditTarget> { self.plugin.edits }

    func connected(_ session: SessionContext) async throws -> ConnectOutcome {
        guard let hook = self.plugin as? any ConnectHook else { return .next }
        let outcome = try await self.witness.call(.connect) { try await hook.connected(session) }
        switch outcome {
        case .reject(let reply): self.witness.check(.connect, reply, [.permanentFailure])
        case .defer(let reply): self.witness.check(.connect, reply, [.transientFailure])
        case .next, .accept: break
        }
        return outcome
    }

    func encrypted(_ tls: TLSFacts, _ session: SessionContext) async throws -> TLSOutcome {
        guard let hook = self.plugin as? any TLSHook else { return .next }
        let outcome = try await self.witness.call(.tls) { try await hook.encrypted(tls, session) }
        switch outcome {
        case .reject(let reply): self.witness.check(.tls, reply, [.permanentFailure])
        case .disconnect(let reply): self.witness.check(.tls, reply, [.permanentFailure, .transientFailure])
        case .next, .accept: break
        }
        return outcome
    }

    func hello(_ name: String, _ session: SessionContext) async throws -> HelloOutcome {
        guard let hook = self.plugin as? any HelloHook else { return .next }
        let outcome = try await self.witness.call(.hello) { try await hook.hello(name, session) }
        switch outcome {
        case .reject(let reply): self.witness.check(.hello, reply, [.permanentFailure])
        case .defer(let reply): self.witness.check(.hello, reply, [.transientFailure])
        case .disconnect(let reply): self.witness.check(.hello, reply, [.permanentFailure, .transientFailure])
        case .next, .accept: break
        }
        return outcome
    }

    func authenticate(_ claim: AuthenticationClaim, _ session: SessionContext) async throws -> AuthenticationOutcome {
        guard let hook = self.plugin as? any AuthenticationHook else { return .next }
        return try await self.witness.call(.authentication) { try await hook.authenticate(claim, session) }
    }

    func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome {
        guard let hook = self.plugin as? any SenderHook else { return .next }
        let outcome = try await self.witness.call(.sender) { try await hook.sender(transaction, session) }
        switch outcome {
        case .change(let edits):
            for case .replaceReversePath in edits { self.witness.check(.sender, writes: .sender, self.plugin) }
        case .reject(let reply): self.witness.check(.sender, reply, [.permanentFailure])
        case .defer(let reply): self.witness.check(.sender, reply, [.transientFailure])
        case .disconnect(let reply): self.witness.check(.sender, reply, [.permanentFailure, .transientFailure])
        case .next, .accept, .discard, .hold: break
        }
        return outcome
    }

    func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        guard let hook = self.plugin as? any RecipientHook else { return .next }
        let outcome = try await self.witness.call(.recipient) {
            try await hook.recipient(recipient, transaction, session)
        }
        switch outcome {
        case .change(let edits): self.witness.check(.recipient, edits, self.plugin)
        case .reject(let reply): self.witness.check(.recipient, reply, [.permanentFailure])
        case .defer(let reply): self.witness.check(.recipient, reply, [.transientFailure])
        case .disconnect(let reply): self.witness.check(.recipient, reply, [.permanentFailure, .transientFailure])
        case .next, .accept, .discard, .hold: break
        }
        return outcome
    }

    func data(_ transaction: TransactionContext, _ session: SessionContext) async throws -> DataOutcome {
        guard let hook = self.plugin as? any DataHook else { return .next }
        let outcome = try await self.witness.call(.data) { try await hook.data(transaction, session) }
        switch outcome {
        case .reject(let reply): self.witness.check(.data, reply, [.permanentFailure])
        case .defer(let reply): self.witness.check(.data, reply, [.transientFailure])
        case .disconnect(let reply): self.witness.check(.data, reply, [.permanentFailure, .transientFailure])
        case .next, .accept: break
        }
        return outcome
    }

    func observe(_ events: AsyncStream<SessionEvent>) async {
        guard let observer = self.plugin as? any SessionObserver else { return }
        await observer.observe(events)
    }
}

/// The stages behind the content.
extension WatchedPlugin {
    func header(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome {
        guard let hook = self.plugin as? any HeaderHook else { return .next }
        let outcome = try await self.witness.call(.header) { try await hook.header(message, transaction, session) }
        self.witness.check(.header, outcome, self.plugin)
        return outcome
    }

    func message(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome {
        guard let hook = self.plugin as? any MessageHook else { return .next }
        let outcome = try await self.witness.call(.message) { try await hook.message(message, transaction, session) }
        self.witness.check(.message, outcome, self.plugin)
        return outcome
    }

    func message(
        _ message: MessageContext,
        for recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientMessageOutcome {
        guard let hook = self.plugin as? any RecipientMessageHook else { return .next }
        let outcome = try await self.witness.call(.recipientMessage) {
            try await hook.message(message, for: recipient, transaction, session)
        }
        switch outcome {
        case .change(let edits): self.witness.check(.recipientMessage, edits, self.plugin)
        case .reject(let reply): self.witness.check(.recipientMessage, reply, [.permanentFailure])
        case .defer(let reply): self.witness.check(.recipientMessage, reply, [.transientFailure])
        case .next, .accept, .discard, .hold: break
        }
        return outcome
    }

    func route(for recipient: EnvelopeRecipient, _ transaction: TransactionContext) async throws -> RouteOutcome {
        guard let hook = self.plugin as? any RouteHook else { return .next }
        let outcome = try await self.witness.call(.route) { try await hook.route(for: recipient, transaction) }
        if case .route = outcome { self.witness.check(.route, writes: .route, self.plugin) }
        return outcome
    }

    func queued(_ transaction: TransactionContext, size: Int, _ session: SessionContext) async throws {
        guard let hook = self.plugin as? any QueuedHook else { return }
        try await self.witness.call(.queued) { try await hook.queued(transaction, size: size, session) }
    }

    func disconnected(_ session: SessionContext) async throws {
        guard let hook = self.plugin as? any DisconnectHook else { return }
        try await self.witness.call(.disconnect) { try await hook.disconnected(session) }
    }

    func deliver(_ delivery: DeliveryContext, _ message: MessageContext) async throws -> DeliveryVerdict {
        guard let hook = self.plugin as? any DeliveryHook else { return .next }
        let verdict = try await self.witness.call(.delivery) { try await hook.deliver(delivery, message) }
        switch verdict {
        case .change(let edits):
            for edit in edits {
                switch edit {
                case .header(let edit): self.witness.check(.delivery, edit, self.plugin)
                case .replaceReversePath: self.witness.check(.delivery, writes: .sender, self.plugin)
                }
            }
        case .defer(let reply): self.witness.check(.delivery, reply, [.transientFailure])
        case .reject(let reply): self.witness.check(.delivery, reply, [.permanentFailure])
        case .next: break
        }
        return verdict
    }

    func finished(_ delivery: DeliveryContext, _ outcomes: [DeliveryOutcome]) async throws {
        guard let hook = self.plugin as? any DeliveryOutcomeHook else { return }
        try await self.witness.call(.deliveryOutcome) { try await hook.finished(delivery, outcomes) }
    }
}
