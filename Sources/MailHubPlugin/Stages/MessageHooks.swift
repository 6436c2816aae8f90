/// Asked at the end of data, first: for plugins that need the header section only.
public protocol HeaderHook: HubPlugin {
    /// - Returns: whether a message with this header section is taken.
    func header(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome
}

/// Asked at the end of data, after the header hooks: sees the whole message.
public protocol MessageHook: HubPlugin {
    /// - Returns: whether the message is taken.
    func message(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome
}

/// Told when a message is durably queued and its 250 is about to leave; cannot fail it any more.
public protocol QueuedHook: HubPlugin {
    /// Called once for each queued message.
    func queued(_ transaction: TransactionContext, size: Int, _ session: SessionContext) async throws
}
