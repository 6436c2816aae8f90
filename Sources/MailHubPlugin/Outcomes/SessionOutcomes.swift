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

/// What a plugin may answer when the connection has become encrypted.
public enum TLSOutcome: Sendable {
    /// No opinion.
    case next
    /// Welcome: no further plugin is asked.
    case accept
    /// The session refuses every command until QUIT with 554; the reply must be 5yz.
    case reject(Reply)
    /// Closed after the reply, which must be 4yz or 5yz.
    case disconnect(Reply)
}

/// What a plugin may answer to a claim of identity.
public enum AuthenticationOutcome: Sendable {
    /// Not a user that this plugin knows: the next one is asked.
    case next
    /// The claim is true; the identity is what the session acts as from now on.
    case accept(identity: String)
    /// The claim is false, or the user may not: 535 5.7.8, whatever the reason, which is for our log.
    case reject(String)
    /// The users cannot be looked up now: 454 4.7.0. The reason is for our log.
    case unavailable(String)
}
