public import SMTP

/// Something that happened in a session.
public struct SessionEvent: Sendable {
    /// What happened.
    public enum Kind: Sendable {
        /// The client is there.
        case connected
        /// The TLS handshake is done.
        case encrypted(TLSFacts)
        /// HELO, EHLO or LHLO was accepted.
        case hello(name: String)
        /// MAIL was accepted.
        case senderAccepted(ReversePath)
        /// MAIL was refused.
        case senderRefused(ReversePath, Reply)
        /// RCPT was accepted.
        case recipientAccepted(Mailbox)
        /// RCPT was refused.
        case recipientRefused(Mailbox, Reply)
        /// The message is in the queue, or was taken and thrown away.
        case messageAccepted(queueIdentifier: String, size: Int, recipients: Int)
        /// The message was refused.
        case messageRefused(Reply)
        /// The client is gone.
        case disconnected
    }
    /// The session's name, as in the log.
    public let session: String
    /// The client.
    public let clientAddress: IPAddress
    /// The listener's name in config.json.
    public let listener: String
    /// When.
    public let time: Timestamp
    /// What.
    public let kind: Kind

    /// Joins the parts.
    public init(session: String, clientAddress: IPAddress, listener: String, time: Timestamp, kind: Kind) {
        self.session = session
        self.clientAddress = clientAddress
        self.listener = listener
        self.time = time
        self.kind = kind
    }
}

/// Sees what happens in all sessions, and can neither delay nor fail any.
public protocol SessionObserver: HubPlugin {
    /// Called once; returns when the stream ends, which it does at shutdown, and when a reload has replaced the plugin and the last
    /// session from before it is over.
    ///
    /// Whoever is too slow loses the oldest of more than 10,000 events that wait.
    func observe(_ events: AsyncStream<SessionEvent>) async
}
