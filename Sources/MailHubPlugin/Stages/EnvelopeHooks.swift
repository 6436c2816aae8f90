public import SMTP

/// Asked at MAIL.
public protocol SenderHook: HubPlugin {
    /// - Returns: whether mail from this sender is taken.
    func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome
}

/// Asked at RCPT, for policy: greylisting, rates, block lists.
public protocol RecipientHook: HubPlugin {
    /// - Parameter recipient: as resolvers and earlier plugins left it; where they put a list's members in its place
    ///   (`RecipientEdit.expand`), the list itself, with the address that it is known by. Not yet part of the transaction's
    ///   envelope.
    /// - Returns: whether mail to this recipient is taken.
    func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome
}

/// Asked at RCPT for recipients of the served domains: does it exist, what is it really, where does it live.
///
/// When resolvers are configured and all answer `next`, the recipient does not exist. When none is configured, every
/// recipient of a served domain exists. Recipients that a client names in one group (RFC 2920) are asked about at the same time,
/// before any of them is answered.
public protocol RecipientResolver: HubPlugin {
    /// - Returns: what is known about the mailbox.
    func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution
}

/// Asked at DATA and at the first BDAT of a transaction.
public protocol DataHook: HubPlugin {
    /// - Returns: whether the content may be sent.
    func data(_ transaction: TransactionContext, _ session: SessionContext) async throws -> DataOutcome
}
