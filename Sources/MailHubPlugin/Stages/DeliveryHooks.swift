public import InternetMessage
public import SMTP

/// A delivery attempt, as plugins see it.
public struct DeliveryContext: Sendable {
    /// The id of the message in the queue and the log.
    public let queueIdentifier: String
    /// Where reports about the message go.
    public let reversePath: ReversePath
    /// The recipients of this attempt.
    public let recipients: [EnvelopeRecipient]
    /// The route that it takes.
    public let route: String

    /// Joins the parts.
    public init(queueIdentifier: String, reversePath: ReversePath, recipients: [EnvelopeRecipient], route: String) {
        self.queueIdentifier = queueIdentifier
        self.reversePath = reversePath
        self.recipients = recipients
        self.route = route
    }
}

/// What a plugin may answer when the hub looks for the way to a recipient.
public enum RouteOutcome: Sendable {
    /// No opinion.
    case next
    /// By the named route of config.json.
    case route(String)
}

/// Asked when a recipient gets its route: once, before the message is queued.
public protocol RouteHook: HubPlugin {
    /// - Returns: the route for the recipient.
    func route(for recipient: EnvelopeRecipient, _ transaction: TransactionContext) async throws -> RouteOutcome
}

/// A change to what is sent in one attempt; the stored message stays as it is.
public enum DeliveryEdit: Hashable, Sendable, Codable {
    /// Changes the header section: a signature, for instance.
    case header(HeaderEdit)
    /// Sends with another reverse-path (sender rewriting); reports of the next hop go there. A null reverse-path stays null.
    case replaceReversePath(ReversePath)
}

/// What a plugin may answer before an attempt.
public enum DeliveryVerdict: Sendable {
    /// No opinion.
    case next
    /// Changes what is sent; the next plugin sees it changed.
    case change([DeliveryEdit])
    /// Not now: the attempt is over, the recipients are retried. The reply must be 4yz.
    case `defer`(Reply)
    /// Never: the recipients fail. The reply must be 5yz.
    case reject(Reply)
}

/// Asked before each delivery attempt.
public protocol DeliveryHook: HubPlugin {
    /// - Returns: what to change, or whether to wait.
    func deliver(_ delivery: DeliveryContext, _ message: MessageContext) async throws -> DeliveryVerdict
}

/// What became of one recipient in an attempt.
public struct DeliveryOutcome: Sendable {
    /// How it ended.
    public enum Result: String, Hashable, Sendable, Codable {
        /// The next hop, or the mailbox, has the message.
        case delivered
        /// It will be tried again.
        case deferred
        /// It will not.
        case failed
    }
    /// The recipient.
    public let recipient: EnvelopeRecipient
    /// How it ended.
    public let result: Result
    /// The reply behind it: the peer's, or our own.
    public let reply: Reply
    /// The peer, where there was one.
    public let host: String?

    /// Joins the parts.
    public init(recipient: EnvelopeRecipient, result: Result, reply: Reply, host: String?) {
        self.recipient = recipient
        self.result = result
        self.reply = reply
        self.host = host
    }
}

/// Told what became of each recipient; cannot change it.
public protocol DeliveryOutcomeHook: HubPlugin {
    /// Called once for each attempt.
    func finished(_ delivery: DeliveryContext, _ outcomes: [DeliveryOutcome]) async throws
}
