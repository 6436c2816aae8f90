public import MailHubPlugin

/// Adds, changes and removes header fields by rule (RFC 5322 section 2.2).
public struct HeaderRewrite: HeaderHook {
    /// The most changes that one message gets.
    static let mostEdits = 1000

    private let rules: [RewriteRule]
    private let counters: Counters

    /// Reads `"rules"`.
    public init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.rules = configuration.sections("rules").map { RewriteRule(reading: $0) }
        self.counters = services.counters
        if self.rules.isEmpty {
            configuration.report("no rule is given", at: "rules", fix: "add a rule, or leave the plugin out")
        }
    }

    /// The fields that the rules name; patterns name none.
    public var edits: Set<EditTarget> {
        Set(self.rules.filter { $0.fieldPattern == nil }.map { .headerField($0.field.lowercased()) })
    }

    /// Carries the rules out in order; each sees what those before it have made of the message.
    public func header(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome {
        let known: [ValueTemplate.Variable: String] = [
            .client: session.clientAddress.description, .helo: session.helloName ?? "", .listener: session.listener,
            .sender: "<\(transaction.envelope.reversePath)>", .queue: transaction.queueIdentifier,
        ]
        var header = message.header
        var edits: [HeaderEdit] = []
        for rule in self.rules where rule.covers(header, transaction, session) {
            let more = rule.edits(for: header, known)
            guard edits.count + more.count <= Self.mostEdits else {
                self.counters.increment("refused")
                return .reject(Reply(550, EnhancedStatusCode(6, 0), "Too many header fields"))
            }
            for edit in more { try header.apply(edit) }
            edits += more
        }
        guard !edits.isEmpty else { return .next }
        self.counters.increment("changed")
        return .change(edits.map { .header($0) })
    }
}
