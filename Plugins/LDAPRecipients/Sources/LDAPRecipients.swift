public import MailHubPlugin

/// Says which recipients exist, what they really are and who may send to them, from the site's directory.
public struct LDAPRecipients: RecipientResolver, RecipientHook {
    let settings: Settings
    let lookup: RecipientLookup?
    let cache: RecipientCache
    let index: SurvivalIndex
    let services: PluginServices

    /// Aliases and groups lead elsewhere, and a host may name a route.
    public var edits: Set<EditTarget> { [.recipients, .route] }

    /// Reads the keys that the README lists.
    public init(configuration: ConfigurationSection, services: PluginServices) throws {
        let settings = Settings(reading: configuration, services)
        self.settings = settings
        self.services = services
        self.lookup = services.directory.map {
            RecipientLookup(
                directory: $0,
                schema: settings.schema,
                rules: settings.rules,
                base: settings.base,
                domains: settings.domains
            )
        }
        self.cache = RecipientCache(
            positive: settings.positive,
            negative: settings.negative,
            entries: settings.cacheEntries,
            clock: services.clock
        )
        self.index = SurvivalIndex(
            store: services.store,
            period: settings.survival,
            clock: services.clock,
            counters: services.counters
        )
    }

    /// Whether a mailbox exists, and what it really is.
    public func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution {
        guard self.isResponsible(for: mailbox) else { return .next }
        switch await self.answer(for: mailbox, session.logger) {
        case .found(let recipient):
            return .found(ResolvedRecipient(edits: recipient.edits(for: mailbox)))
        case .unavailable(let why):
            return .unavailable(why)
        case .notFound(let reason):
            session.logger.debug(
                "recipient not in the directory",
                metadata: ["to": "\(mailbox)", "error": "\(reason)"]
            )
            return .notFound
        }
    }

    /// Whether the sender may send to the recipient.
    public func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        let mailbox = recipient.mailbox
        guard self.settings.schema.hasRestrictions, self.isResponsible(for: mailbox), let lookup = self.lookup else {
            return .next
        }
        guard case .found(let found) = await self.answer(for: mailbox, session.logger),
            let restrictions = found.restrictions
        else {
            return .next  // whether it exists is the resolver's answer
        }
        let verdict = await self.verdict(
            on: restrictions,
            of: found,
            sender: transaction.envelope.reversePath,
            isTrusted: session.isRelayClient || session.authenticatedIdentity != nil,
            lookup,
            session.logger
        )
        switch verdict {
        case .permitted: return .next
        case .refused(let reason):
            self.services.counters.increment("senders refused")
            session.logger.info(
                "sender may not send to the recipient",
                metadata: ["to": "\(mailbox)", "error": "\(reason)"]
            )
            return .reject(Reply(550, .init(7, 1), "You may not send to this recipient"))
        case .unavailable(let why):
            session.logger.warning("sender cannot be checked", metadata: ["to": "\(mailbox)", "error": "\(why)"])
            return .defer(Reply(451, .init(4, 3), "Directory not available, try again later"))
        }
    }

    func verdict(
        on restrictions: DeliveryRestrictions,
        of recipient: DirectoryRecipient,
        sender: ReversePath,
        isTrusted: Bool,
        _ lookup: RecipientLookup,
        _ logger: Logger
    ) async -> SenderCheck.Verdict {
        var name: String?
        switch sender {
        case .null:
            // Reports must reach people (RFC 5321 section 4.5.5); to a group that is not open to all nothing is reported.
            if recipient.members == nil, !restrictions.requiresTrust { return .permitted }
        case .mailbox(let mailbox):
            switch await self.answer(for: mailbox, logger) {
            case .found(let found): name = found.entry
            case .notFound: break
            case .unavailable(let why):
                // Where nobody is listed it does not matter who the sender is.
                if restrictions != DeliveryRestrictions(requiresTrust: true) { return .unavailable(why) }
            }
        }
        return await SenderCheck(lookup: lookup).verdict(on: restrictions, sender: name, isTrusted: isTrusted)
    }

    // MARK: Answers

    func isResponsible(for mailbox: Mailbox) -> Bool { mailbox.domain.map(self.settings.domains.contains) ?? false }

    /// What is known about an address: from the cache, from the directory, or from what it confirmed earlier.
    func answer(for mailbox: Mailbox, _ logger: Logger) async -> RecipientAnswer {
        guard let lookup = self.lookup else { return .unavailable("config.json has no \"directory\"") }
        let key = AddressKey.key(of: mailbox)
        let counters = self.services.counters
        let (answer, isFresh) = await self.cache.answer(key) { await lookup.recipient(at: mailbox) }
        counters.increment(isFresh ? "searches" : "answers from the cache")
        switch answer {
        case .found(let recipient):
            if isFresh { self.index.confirm(key, recipient) }
            return answer
        case .notFound:
            if isFresh { self.index.forget(key) }
            return answer
        case .unavailable(let why):
            // Who is gone is no trouble of the directory's.
            guard !Task.isCancelled else { return answer }
            counters.increment("directory unavailable")
            return await self.survivor(key, mailbox, why, logger)
        }
    }

    private func survivor(_ key: String, _ mailbox: Mailbox, _ why: String, _ logger: Logger) async -> RecipientAnswer {
        do {
            guard let confirmation = try await self.index.survivor(key) else { return .unavailable(why) }
            let age = self.services.clock.now - confirmation.confirmed
            self.services.counters.increment("recipients taken while the directory was unavailable")
            self.services.counters.raise("oldest confirmation taken (seconds)", to: Int(age.components.seconds))
            logger.notice(
                "directory unavailable, recipient taken as confirmed earlier",
                metadata: ["to": "\(mailbox)", "age": "\(ReadableTime.text(age))", "error": "\(why)"]
            )
            return .found(confirmation.recipient)
        } catch {
            return .unavailable("\(why); and the store: \(error)")
        }
    }
}

extension Counters {
    /// Makes a counter at least so high.
    func raise(_ name: String, to value: Int) {
        let present = self[name]
        if present < value { self.increment(name, by: value - present) }
    }
}

/// Durations for people.
enum ReadableTime {
    /// The two largest units, such as `3d 4h`.
    static func text(_ duration: Duration) -> String {
        let seconds = max(0, duration.components.seconds)
        let parts = [
            (seconds / 86400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s"),
        ]
        let shown = parts.drop { $0.0 == 0 }.prefix(2).filter { $0.0 > 0 }
        return shown.isEmpty ? "0s" : shown.map { "\($0.0)\($0.1)" }.joined(separator: " ")
    }
}
