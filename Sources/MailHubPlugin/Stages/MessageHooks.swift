public import SMTP

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

/// Asked at the end of data, after the message hooks, once for each recipient: one message may be wanted by some and not by
/// others, or in another form.
///
/// Over LMTP each recipient gets its reply (RFC 2033 section 4.2). SMTP has one reply for all: where the verdicts differ, the
/// listener's `"differingVerdicts"` decides what becomes of those who do not take it.
public protocol RecipientMessageHook: HubPlugin {
    /// - Returns: whether the message is taken for the recipient.
    func message(
        _ message: MessageContext,
        for recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientMessageOutcome
}

/// Told when a message is durably queued and its 250 is about to leave; cannot fail it any more.
public protocol QueuedHook: HubPlugin {
    /// Called once for each queued message.
    func queued(_ transaction: TransactionContext, size: Int, _ session: SessionContext) async throws
}
