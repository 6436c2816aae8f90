import MailHubPlugin

// The examples of the articles about stages: Sources/MailHubPlugin/MailHubPlugin.docc/Stages.

struct OfficeHours: ConnectHook {
    let clock: any WallClock
    init(configuration: ConfigurationSection, services: PluginServices) throws { self.clock = services.clock }

    func connected(_ session: SessionContext) async throws -> ConnectOutcome {
        let hour = self.clock.now.milliseconds / 3_600_000 % 24
        return (6..<22).contains(hour) ? .next : .defer(Reply(421, EnhancedStatusCode(7, 0), "Closed for the night"))
    }
}

struct ModernTLS: TLSHook {
    init(configuration: ConfigurationSection, services: PluginServices) throws {}

    func encrypted(_ tls: TLSFacts, _ session: SessionContext) async throws -> TLSOutcome {
        tls.version == "TLSv1.3" ? .next : .reject(Reply(554, EnhancedStatusCode(7, 0), "TLS 1.3 is needed"))
    }
}

struct NotOurName: HelloHook {
    let served: Set<Domain>
    init(configuration: ConfigurationSection, services: PluginServices) throws { self.served = services.servedDomains }

    func hello(_ name: String, _ session: SessionContext) async throws -> HelloOutcome {
        guard let domain = Domain(name), self.served.contains(domain), !session.isRelayClient else { return .next }
        return .reject(Reply(550, EnhancedStatusCode(7, 1), "That is our own name"))
    }
}

struct OneUser: AuthenticationHook {
    let password: String
    init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.password = configuration.requiredString("password")
    }

    func authenticate(_ claim: AuthenticationClaim, _ session: SessionContext) async throws -> AuthenticationOutcome {
        guard claim.authenticationIdentity == "scanner", let password = claim.password else { return .next }
        let (given, wanted) = (Array(password.utf8), Array(self.password.utf8))
        let differs = zip(given, wanted).reduce(given.count ^ wanted.count) { $0 | Int($1.0 ^ $1.1) }
        return differs == 0 ? .accept(identity: "scanner") : .reject("wrong password")
    }
}

struct SmallFromStrangers: SenderHook {
    init(configuration: ConfigurationSection, services: PluginServices) throws {}

    func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome {
        session.isRelayClient ? .next : .change([.limitSize(10 << 20)])
    }
}

struct Staff: RecipientResolver {
    let directory: (any Directory)?
    init(configuration: ConfigurationSection, services: PluginServices) throws { self.directory = services.directory }

    func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution {
        guard let directory = self.directory else { return .next }
        let search = DirectorySearch(filter: .equals("mail", mailbox.description), attributes: ["mail"])
        return switch await directory.search(search) {
        case .found: .found(ResolvedRecipient())
        case .notFound: .notFound
        case .unavailable(let why): .unavailable(why)
        }
    }
}

struct MovedAway: RecipientHook {
    let old: Mailbox?
    let new: Mailbox?
    init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.old = configuration.mailbox("old")
        self.new = configuration.mailbox("new")
    }

    var edits: Set<EditTarget> { [.recipients] }

    func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        guard recipient.mailbox == self.old, let new = self.new else { return .next }
        return .change([.replace(new)])
    }
}

struct FewRecipients: DataHook {
    let most: Int
    init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.most = configuration.integer("most", in: 1...1000, default: 100)
    }

    func data(_ transaction: TransactionContext, _ session: SessionContext) async throws -> DataOutcome {
        guard transaction.envelope.recipients.count > self.most else { return .next }
        return .reject(Reply(550, EnhancedStatusCode(7, 1), "Too many recipients"))
    }
}

struct NoBulk: HeaderHook {
    init(configuration: ConfigurationSection, services: PluginServices) throws {}

    func header(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome {
        guard message.header.first(named: "Precedence")?.value == "bulk" else { return .next }
        return .reject(Reply(550, EnhancedStatusCode(7, 1), "No bulk mail"))
    }
}

struct NoPrograms: MessageHook {
    init(configuration: ConfigurationSection, services: PluginServices) throws {}

    func message(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome {
        let start = String(decoding: try await message.content.octets(upTo: 65_536), as: UTF8.self)
        guard start.contains("application/x-msdownload") else { return .next }
        return .hold(reason: "a program is attached")
    }
}

struct MarkForLists: RecipientMessageHook {
    init(configuration: ConfigurationSection, services: PluginServices) throws {}

    var edits: Set<EditTarget> { [.headerField("x-copy-for")] }

    func message(
        _ message: MessageContext,
        for recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientMessageOutcome {
        .change([.header(.prepend(name: "X-Copy-For", value: recipient.mailbox.description))])
    }
}

struct ArchiveRoute: RouteHook {
    init(configuration: ConfigurationSection, services: PluginServices) throws {}

    var edits: Set<EditTarget> { [.route] }

    func route(for recipient: EnvelopeRecipient, _ transaction: TransactionContext) async throws -> RouteOutcome {
        recipient.mailbox.localPart.value == "archive" ? .route("archive") : .next
    }
}

struct CountMessages: QueuedHook {
    let counters: Counters
    init(configuration: ConfigurationSection, services: PluginServices) throws { self.counters = services.counters }

    func queued(_ transaction: TransactionContext, size: Int, _ session: SessionContext) async throws {
        self.counters.increment("messages")
        self.counters.increment("octets", by: size)
    }
}

struct Farewell: DisconnectHook {
    init(configuration: ConfigurationSection, services: PluginServices) throws {}

    func disconnected(_ session: SessionContext) async throws {
        session.logger.info("good bye", metadata: ["helo": "\(session.helloName ?? "")"])
    }
}

struct RewriteSender: DeliveryHook {
    let relay: Mailbox?
    init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.relay = configuration.mailbox("reports")
    }

    var edits: Set<EditTarget> { [.sender] }

    func deliver(_ delivery: DeliveryContext, _ message: MessageContext) async throws -> DeliveryVerdict {
        guard delivery.route == "internet", let relay = self.relay else { return .next }
        return .change([.replaceReversePath(.mailbox(relay))])
    }
}

struct CountFailures: DeliveryOutcomeHook {
    let counters: Counters
    init(configuration: ConfigurationSection, services: PluginServices) throws { self.counters = services.counters }

    func finished(_ delivery: DeliveryContext, _ outcomes: [DeliveryOutcome]) async throws {
        self.counters.increment("failed", by: outcomes.count { $0.result == .failed })
    }
}

struct RefusalLog: SessionObserver {
    let logger: Logger
    init(configuration: ConfigurationSection, services: PluginServices) throws { self.logger = services.logger }

    func observe(_ events: AsyncStream<SessionEvent>) async {
        for await event in events {
            guard case .recipientRefused(let mailbox, let reply) = event.kind else { continue }
            self.logger.info("refused", metadata: ["to": "\(mailbox)", "reply": "\(reply)"])
        }
    }
}

struct Reputation: Fact {
    let points: Int
}

func rememberReputation(_ points: Int, _ session: SessionContext) {
    session.facts[Reputation.self] = Reputation(points: points)
}

func reputation(_ session: SessionContext) -> Int { session.facts[Reputation.self]?.points ?? 0 }
