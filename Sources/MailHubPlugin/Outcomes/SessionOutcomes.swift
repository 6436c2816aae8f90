public import SMTP

/// What a plugin may answer when a client has connected.
public enum ConnectOutcome: Sendable {
    /// No opinion: the next plugin is asked.
    case next
    /// Welcome: no further plugin is asked.
    case accept
    /// 554: the session refuses every command until QUIT (RFC 5321 section 3.1). The reply must be 5yz.
    case reject(Reply)
    /// 421: closed at once, try again later. The reply must be 4yz.
    case `defer`(Reply)
}

/// What a plugin may answer to HELO and EHLO.
public enum HelloOutcome: Sendable {
    /// No opinion.
    case next
    /// Welcome: no further plugin is asked.
    case accept
    /// Refused; the reply must be 5yz.
    case reject(Reply)
    /// Refused for now; the reply must be 4yz.
    case `defer`(Reply)
    /// Closed after the reply, which must be 4yz or 5yz.
    case disconnect(Reply)
}
