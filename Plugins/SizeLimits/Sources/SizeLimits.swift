public import MailHubPlugin

/// Limits the size of messages: for all, by listener, by recipient domain, by recipient (RFC 1870 section 6).
public struct SizeLimits: SenderHook, RecipientHook, MessageHook {
    private let table: SizeTable

    /// Reads `"message"`, `"listeners"`, `"domains"` and `"recipients"`.
    public init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.table = SizeTable(reading: configuration)
    }

    /// Refuses a declared size over the listener's limit; otherwise the limit is that of the transaction.
    public func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome {
        guard let limit = self.table.limit(ofListener: session.listener) else { return .next }
        if let declared = transaction.envelope.declaredSize, declared > limit { return .reject(Self.tooLarge) }
        return .change([.limitSize(limit)])
    }

    /// Refuses a declared size over the recipient's limit; otherwise the limit goes with the recipient.
    public func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        guard let limit = self.table.limit(of: recipient.mailbox) else { return .next }
        if let declared = transaction.envelope.declaredSize, declared > limit {
            return .reject(Self.tooLargeForRecipient)
        }
        return .change([.limitSize(limit)])
    }

    /// Refuses a message that is over a limit in the end, whatever was declared.
    public func message(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome {
        if let limit = self.table.limit(ofListener: session.listener), message.size > limit {
            return .reject(Self.tooLarge)
        }
        let isOver = transaction.envelope.recipients.contains { recipient in
            self.table.limit(of: recipient.mailbox).map { message.size > $0 } ?? false
        }
        return isOver ? .reject(Self.tooLargeForRecipient) : .next
    }

    /// RFC 1870 section 6.1, RFC 3463 section 3.4: message too big for system.
    private static let tooLarge = Reply(552, EnhancedStatusCode(3, 4), "Message exceeds the size limit")
    private static let tooLargeForRecipient = Reply(552, EnhancedStatusCode(3, 4), "Message too large for a recipient")
}
