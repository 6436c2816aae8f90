public import InternetMessage
public import Logging
public import SMTP

/// What a listener is for.
public enum ListenerRole: String, Hashable, Sendable, Codable, CaseIterable {
    /// Mail from the internet for the served domains, and relaying for `relayNetworks`.
    case mx
    /// Mail from users.
    case submission
    /// Mail from other parts of the site over LMTP.
    case lmtp
}

/// What is known about the client while a hook runs.
public struct SessionContext: Sendable {
    /// Names the session in the log.
    public let identifier: String
    /// The client's address.
    public let clientAddress: IPAddress
    /// The listener's name in config.json.
    public let listener: String
    /// The listener's role.
    public let role: ListenerRole
    /// The argument of HELO or EHLO; `nil` before it.
    public var helloName: String?
    /// Whether the client is in `relayNetworks`: it may send to any domain.
    public let isRelayClient: Bool
    /// How the connection is encrypted; `nil` where it is not.
    public let tls: TLSFacts?
    /// Whom the client has proved to be (RFC 4954); `nil` where it has not.
    public let authenticatedIdentity: String?
    /// Facts that plugins have stated about this session.
    public let facts: Facts
    /// Logs with the session's metadata.
    public let logger: Logger

    /// Joins the parts.
    public init(
        identifier: String,
        clientAddress: IPAddress,
        listener: String,
        role: ListenerRole,
        helloName: String?,
        isRelayClient: Bool,
        tls: TLSFacts? = nil,
        authenticatedIdentity: String? = nil,
        facts: Facts,
        logger: Logger
    ) {
        self.identifier = identifier
        self.clientAddress = clientAddress
        self.listener = listener
        self.role = role
        self.helloName = helloName
        self.isRelayClient = isRelayClient
        self.tls = tls
        self.authenticatedIdentity = authenticatedIdentity
        self.facts = facts
        self.logger = logger
    }
}

/// The open mail transaction, as the next plugin sees it after earlier edits.
public struct TransactionContext: Sendable {
    /// Sender and recipients so far.
    public let envelope: Envelope
    /// The id that the message has, or will have, in the queue and the log.
    public let queueIdentifier: String
    /// Facts that plugins have stated about this transaction, and so about its message.
    public let facts: Facts

    /// Facts that plugins have stated about one recipient: from its RCPT on until the message is queued.
    ///
    /// They are those of the mailbox that the client has named: the members of a list share the list's.
    public func facts(of recipient: EnvelopeRecipient) -> Facts {
        self.facts.ofRecipient(recipient.named ?? recipient.mailbox)
    }

    /// Joins the parts.
    public init(envelope: Envelope, queueIdentifier: String, facts: Facts) {
        self.envelope = envelope
        self.queueIdentifier = queueIdentifier
        self.facts = facts
    }
}

/// The message as the next plugin sees it after earlier edits.
public struct MessageContext: Sendable {
    /// Header fields.
    public let header: HeaderSection
    /// Octets of the whole content, CRLFs counted, as RFC 1870 section 5 counts them.
    public let size: Int
    /// The content.
    public let content: any MessageContent

    /// Joins the parts.
    public init(header: HeaderSection, size: Int, content: any MessageContent) {
        self.header = header
        self.size = size
        self.content = content
    }
}
