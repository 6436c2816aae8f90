/// Asked when a client has connected, before the greeting.
public protocol ConnectHook: HubPlugin {
    /// - Returns: whether the client is welcome.
    func connected(_ session: SessionContext) async throws -> ConnectOutcome
}

/// Asked when the connection has become encrypted, by STARTTLS or from its beginning; `session.tls` says how.
public protocol TLSHook: HubPlugin {
    /// - Returns: whether the session may go on.
    func encrypted(_ tls: TLSFacts, _ session: SessionContext) async throws -> TLSOutcome
}

/// Asked at HELO and EHLO; `helloName` is the argument.
public protocol HelloHook: HubPlugin {
    /// - Returns: whether the greeting is acceptable.
    func hello(_ name: String, _ session: SessionContext) async throws -> HelloOutcome
}

/// Asked when a client claims to be somebody (RFC 4954): the plugin knows the users, or refuses some of them.
public protocol AuthenticationHook: HubPlugin {
    /// Called for each mechanism: before a password is looked up, and once another proof has been found right.
    ///
    /// - Returns: whether the claim is true; `next` leaves it to the next plugin. Where all say so, a password is checked by file and
    ///   directory, and a client without one is let in: it has shown who it is.
    func authenticate(_ claim: AuthenticationClaim, _ session: SessionContext) async throws -> AuthenticationOutcome
}

/// Told when a session has ended, however it ended.
public protocol DisconnectHook: HubPlugin {
    /// Called once for each session that was asked about at connect.
    func disconnected(_ session: SessionContext) async throws
}
