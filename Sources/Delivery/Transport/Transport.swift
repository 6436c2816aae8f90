package import MailHubPlugin
package import MailQueue

/// A way of handing messages over: SMTP to MX hosts, SMTP to a fixed next hop, LMTP, Maildir.
package protocol Transport: Sendable {
    /// Opens a session with the destination: for SMTP a connection that has passed EHLO.
    ///
    /// - Parameter executor: where the session's connection lives, which is also where its worker runs.
    /// - Throws: `TransportFailure` where no session can be had now, or ever.
    func open(_ destination: Destination, on executor: EventLoopActorExecutor) async throws(TransportFailure)
        -> any TransportSession
}

/// One session with a destination; used by one worker, one job at a time, and closed by it.
package protocol TransportSession: Sendable {
    /// Hands over one job; gives exactly one report for each of its recipients.
    ///
    /// Never throws: a broken connection is `deferred` for those recipients whose outcome is not known.
    func deliver(_ job: DeliveryJob) async -> [RecipientReport]

    /// Whether another job may follow; `false` once the peer has closed, answered 421, or the session's limit is reached.
    var isReusable: Bool { get async }

    /// How the connection is encrypted, for the log; `nil` where it is not.
    var security: String? { get }

    /// Ends the session politely: QUIT where there is such a thing.
    func close() async
}

extension TransportSession {
    package var security: String? { nil }
}
