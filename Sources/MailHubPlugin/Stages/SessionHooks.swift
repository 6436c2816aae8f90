/// Asked when a client has connected, before the greeting.
public protocol ConnectHook: HubPlugin {
    /// - Returns: whether the client is welcome.
    func connected(_ session: SessionContext) async throws -> ConnectOutcome
}

/// Asked at HELO and EHLO; `helloName` is the argument.
public protocol HelloHook: HubPlugin {
    /// - Returns: whether the greeting is acceptable.
    func hello(_ name: String, _ session: SessionContext) async throws -> HelloOutcome
}

/// Told when a session has ended, however it ended.
public protocol DisconnectHook: HubPlugin {
    /// Called once for each session that was asked about at connect.
    func disconnected(_ session: SessionContext) async throws
}
