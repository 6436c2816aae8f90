public import MailHubPlugin

/// Refuses messages that have a certain header field.
public struct PluginTemplate: HeaderHook {
    private let field: String

    /// Reads `"field"`; what is wrong in the configuration is collected by the section, and reported with its place.
    public init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.field = configuration.requiredString("field")
    }

    /// Refuses a message with the field.
    public func header(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome {
        guard message.header.first(named: self.field) != nil else { return .next }
        session.logger.info("message has the field", metadata: ["queue-id": "\(transaction.queueIdentifier)"])
        return .reject(Reply(550, EnhancedStatusCode(7, 1), "Messages with \(self.field) are not taken here"))
    }
}
