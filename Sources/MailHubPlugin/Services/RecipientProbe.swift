public import SMTP

/// What the next hop says about a recipient.
public enum RecipientProbeAnswer: Hashable, Sendable {
    /// It takes mail for it.
    case exists
    /// It says, for good, that there is no such mailbox; its reply is for our log.
    case doesNotExist(Reply)
    /// It could not be asked, or did not say: temporary. The text is for our log.
    case unavailable(String)
}

/// Asks the next hop of a recipient whether that exists: an SMTP or LMTP conversation up to RCPT (RFC 5321 section 3.3).
public protocol RecipientProbe: Sendable {
    /// - Parameters:
    ///   - mailbox: the recipient.
    ///   - route: the name of a route of config.json; `nil` for the one that mail to the recipient takes.
    /// - Returns: what the next hop says. Never `doesNotExist` for a refusal that has other reasons.
    func probe(_ mailbox: Mailbox, route: String?) async -> RecipientProbeAnswer
}

/// A probe that asks nobody: while a configuration is only checked, and for tests.
public struct NoRecipientProbe: RecipientProbe {
    /// Makes it.
    public init() {}

    /// Unavailable.
    public func probe(_ mailbox: Mailbox, route: String?) async -> RecipientProbeAnswer {
        .unavailable("no next hop can be asked")
    }
}
