public import InternetMessage
public import SMTP

/// A change to the message.
public enum MessageEdit: Hashable, Sendable, Codable {
    /// Changes the header section.
    case header(HeaderEdit)
    /// Replaces all behind the empty line.
    case replaceBody([UInt8])
}

/// What a plugin may answer at the end of data.
public enum MessageOutcome: Sendable {
    /// No opinion.
    case next
    /// Fine: no further plugin is asked at this stage.
    case accept
    /// Changes the message; the next plugin sees it changed.
    case change([MessageEdit])
    /// Refused; the reply must be 5yz.
    case reject(Reply)
    /// Refused for now; the reply must be 4yz.
    case `defer`(Reply)
    /// Closed after the reply, which must be 4yz or 5yz.
    case disconnect(Reply)
    /// Accepted and thrown away.
    case discard
    /// Accepted and held in the queue for the postmaster.
    case hold(reason: String)
}

/// What a plugin may answer at the end of data for one recipient.
public enum RecipientMessageOutcome: Sendable {
    /// No opinion.
    case next
    /// Fine: no further plugin is asked about this recipient.
    case accept
    /// Changes the message for this recipient alone; the next plugin sees it changed.
    case change([MessageEdit])
    /// Refused for this recipient; the reply must be 5yz.
    case reject(Reply)
    /// Refused for now for this recipient; the reply must be 4yz.
    case `defer`(Reply)
    /// Taken, and not delivered to this recipient.
    case discard
    /// Taken, and held in the queue for the postmaster.
    case hold(reason: String)
}
