public import MailHubPlugin

/// Says which recipients exist and where mail for aliases goes, from lists (RFC 5321 sections 3.3 and 3.9.1).
public struct StaticRecipients: RecipientResolver {
    private let table: RecipientTable
    private let served: Set<Domain>

    /// Aliases and groups lead elsewhere.
    public var edits: Set<EditTarget> { [.recipients] }

    /// Reads the keys that the README lists; all that is wrong with the entries is reported, not just the first.
    public init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.table = RecipientTable(reading: configuration)
        self.served = services.servedDomains
    }

    /// Whether a mailbox exists, and what it really is.
    public func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution {
        switch self.table.answer(for: mailbox, served: self.served) {
        case .otherDomain: .next
        case .unknown: .notFound
        case .mailbox: .found(ResolvedRecipient())
        case .alias(let targets):
            // One target or several: a replaced recipient keeps the sender's reverse-path, as an alias must.
            if targets.count == 1, let target = targets.first {
                .found(ResolvedRecipient(edits: [.replace(target)]))
            } else {
                .found(ResolvedRecipient(edits: [.expand(targets, owner: nil)]))
            }
        }
    }
}
