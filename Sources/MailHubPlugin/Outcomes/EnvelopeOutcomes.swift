public import SMTP

/// A change to the sender's side of the envelope.
public enum SenderEdit: Hashable, Sendable, Codable {
    /// Sends reports elsewhere. A null reverse-path stays null (RFC 5321 section 4.5.5).
    case replaceReversePath(ReversePath)
    /// Sets the size limit of this transaction, in octets.
    case limitSize(Int)
}

/// What a plugin may answer to MAIL.
public enum SenderOutcome: Sendable {
    /// No opinion.
    case next
    /// Fine: no further plugin is asked at this stage.
    case accept
    /// Changes the envelope; the next plugin sees it changed.
    case change([SenderEdit])
    /// Refused; the reply must be 5yz.
    case reject(Reply)
    /// Refused for now; the reply must be 4yz.
    case `defer`(Reply)
    /// Closed after the reply, which must be 4yz or 5yz.
    case disconnect(Reply)
    /// The message will be accepted and thrown away.
    case discard
    /// The message will be accepted and held in the queue for the postmaster.
    case hold(reason: String)
}

/// A change to one recipient.
public enum RecipientEdit: Hashable, Sendable, Codable {
    /// Delivers to another mailbox instead.
    case replace(Mailbox)
    /// Delivers to a further mailbox.
    case add(Mailbox)
    /// Accepts the recipient, and delivers nothing to it.
    case drop
    /// Delivers to these mailboxes instead: a list or a group. The owner gets the reports (RFC 5321 section 3.9.2).
    case expand([Mailbox], owner: ReversePath?)
    /// Delivers by the named route of config.json.
    case route(String)
    /// Delivers to some of the mailboxes that earlier edits have put in the recipient's place by the routes named here.
    case routeMembers([Mailbox: String])
    /// Sets the largest message that this recipient takes, in octets.
    case limitSize(Int)
}

/// What a plugin may answer to RCPT: policy.
///
/// Whether the recipient exists is the business of `RecipientResolver`.
public enum RecipientOutcome: Sendable {
    /// No opinion.
    case next
    /// Fine: no further policy plugin is asked.
    case accept
    /// Changes the recipient; the next plugin sees it changed.
    case change([RecipientEdit])
    /// Refused; the reply must be 5yz.
    case reject(Reply)
    /// Refused for now; the reply must be 4yz.
    case `defer`(Reply)
    /// Closed after the reply, which must be 4yz or 5yz.
    case disconnect(Reply)
    /// The whole message will be accepted and thrown away.
    case discard
    /// The message will be accepted and held in the queue for the postmaster.
    case hold(reason: String)
}

/// What a directory knows about a recipient that exists.
public struct ResolvedRecipient: Hashable, Sendable, Codable {
    /// What follows from it: aliases, routes, limits; empty for a plain mailbox.
    public let edits: [RecipientEdit]

    /// A recipient that exists, with what follows from it.
    public init(edits: [RecipientEdit] = []) { self.edits = edits }
}

/// What a resolver knows about a recipient.
public enum RecipientResolution: Sendable {
    /// Not a recipient that this resolver answers for: the next one is asked.
    case next
    /// It exists.
    case found(ResolvedRecipient)
    /// It does not: 550 5.1.1.
    case notFound
    /// The directory cannot be asked now: 451 4.4.3, never 550. The text is for our log.
    case unavailable(String)
}

/// What a plugin may answer to DATA and to the first BDAT, before any content.
public enum DataOutcome: Sendable {
    /// No opinion.
    case next
    /// Fine: no further plugin is asked at this stage.
    case accept
    /// Refused; the reply must be 5yz.
    case reject(Reply)
    /// Refused for now; the reply must be 4yz.
    case `defer`(Reply)
    /// Closed after the reply, which must be 4yz or 5yz.
    case disconnect(Reply)
}
