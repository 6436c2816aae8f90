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
    /// Shared by all copies: a message's plugins are handed a hundred of them.
    private final class Contents: Sendable {
        let identifier: String
        let clientAddress: IPAddress
        let listener: String
        let role: ListenerRole
        let helloName: String?
        let isRelayClient: Bool
        let tls: TLSFacts?
        let authenticatedIdentity: String?
        let facts: Facts
        let logger: Logger

        init(
            identifier: String,
            clientAddress: IPAddress,
            listener: String,
            role: ListenerRole,
            helloName: String?,
            isRelayClient: Bool,
            tls: TLSFacts?,
            authenticatedIdentity: String?,
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
    private var contents: Contents

    /// Names the session in the log.
    public var identifier: String { self.contents.identifier }
    /// The client's address.
    public var clientAddress: IPAddress { self.contents.clientAddress }
    /// The listener's name in config.json.
    public var listener: String { self.contents.listener }
    /// The listener's role.
    public var role: ListenerRole { self.contents.role }
    /// Whether the client is in `relayNetworks`: it may send to any domain.
    public var isRelayClient: Bool { self.contents.isRelayClient }
    /// How the connection is encrypted; `nil` where it is not.
    public var tls: TLSFacts? { self.contents.tls }
    /// Whom the client has proved to be (RFC 4954); `nil` where it has not.
    public var authenticatedIdentity: String? { self.contents.authenticatedIdentity }
    /// Facts that plugins have stated about this session.
    public var facts: Facts { self.contents.facts }
    /// Logs with the session's metadata.
    public var logger: Logger { self.contents.logger }

    /// The argument of HELO or EHLO; `nil` before it.
    public var helloName: String? {
        get { self.contents.helloName }
        set {
            self = SessionContext(
                identifier: self.identifier,
                clientAddress: self.clientAddress,
                listener: self.listener,
                role: self.role,
                helloName: newValue,
                isRelayClient: self.isRelayClient,
                tls: self.tls,
                authenticatedIdentity: self.authenticatedIdentity,
                facts: self.facts,
                logger: self.logger
            )
        }
    }

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
        self.contents = Contents(
            identifier: identifier,
            clientAddress: clientAddress,
            listener: listener,
            role: role,
            helloName: helloName,
            isRelayClient: isRelayClient,
            tls: tls,
            authenticatedIdentity: authenticatedIdentity,
            facts: facts,
            logger: logger
        )
    }
}

/// The open mail transaction, as the next plugin sees it after earlier edits.
public struct TransactionContext: Sendable {
    /// Shared by all copies.
    private final class Contents: Sendable {
        let envelope: Envelope
        let queueIdentifier: String
        let facts: Facts

        init(envelope: Envelope, queueIdentifier: String, facts: Facts) {
            self.envelope = envelope
            self.queueIdentifier = queueIdentifier
            self.facts = facts
        }
    }
    private let contents: Contents

    /// Sender and recipients so far.
    public var envelope: Envelope { self.contents.envelope }
    /// The id that the message has, or will have, in the queue and the log.
    public var queueIdentifier: String { self.contents.queueIdentifier }
    /// Facts that plugins have stated about this transaction, and so about its message.
    public var facts: Facts { self.contents.facts }

    /// Facts that plugins have stated about one recipient: from its RCPT on until the message is queued.
    ///
    /// They are those of the mailbox that the client has named: the members of a list share the list's.
    public func facts(of recipient: EnvelopeRecipient) -> Facts {
        self.facts.ofRecipient(recipient.named ?? recipient.mailbox)
    }

    /// Joins the parts.
    public init(envelope: Envelope, queueIdentifier: String, facts: Facts) {
        self.contents = Contents(envelope: envelope, queueIdentifier: queueIdentifier, facts: facts)
    }
}

/// The message as the next plugin sees it after earlier edits.
public struct MessageContext: Sendable {
    /// Shared by all copies.
    private final class Contents: Sendable {
        let header: HeaderSection
        let size: Int
        let content: any MessageContent

        init(header: HeaderSection, size: Int, content: any MessageContent) {
            self.header = header
            self.size = size
            self.content = content
        }
    }
    private let contents: Contents

    /// Header fields.
    public var header: HeaderSection { self.contents.header }
    /// Octets of the whole content, CRLFs counted, as RFC 1870 section 5 counts them.
    public var size: Int { self.contents.size }
    /// The content.
    public var content: any MessageContent { self.contents.content }

    /// Joins the parts.
    public init(header: HeaderSection, size: Int, content: any MessageContent) {
        self.contents = Contents(header: header, size: size, content: content)
    }
}
