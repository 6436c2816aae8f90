public import MailHubPlugin

/// The rules of the house: no advertisements, and who has left is read by somebody else.
public struct HouseRules: RecipientHook, HeaderHook {
    private let field: String
    private let left: Mailbox?
    private let reader: Mailbox?

    /// Reads `"field"`, `"left"` and `"reader"`.
    public init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.field = configuration.requiredString("field")
        self.left = configuration.mailbox("left")
        self.reader = configuration.mailbox("reader")
    }

    /// What `mailhub check` compares between plugins.
    public var edits: Set<EditTarget> { self.left == nil ? [] : [.recipients] }

    /// Hands the mail of who has left to the reader.
    public func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        guard recipient.mailbox == self.left, let reader = self.reader else { return .next }
        return .change([.replace(reader)])
    }

    /// Refuses a message with the field.
    public func header(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome {
        guard message.header.first(named: self.field) != nil else { return .next }
        return .reject(Reply(550, EnhancedStatusCode(7, 1), "No advertisements, please"))
    }
}
