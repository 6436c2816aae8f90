package import NIOCore
package import SMTP

/// Where the content of a message is kept.
package enum StoredContent: Sendable {
    /// In the store itself: up to `QueueLimits.inlineContent` octets.
    case inline(ByteBuffer)
    /// In a file of its own in the content directory, named here without its folder; already synced.
    case file(name: String, size: Int)

    /// The name of the file, where there is one.
    package var fileName: String? {
        switch self {
        case .inline: nil
        case .file(let name, _): name
        }
    }

    /// Octets of content.
    package var size: Int {
        switch self {
        case .inline(let buffer): buffer.readableBytes
        case .file(_, let size): size
        }
    }
}

/// A message that the hub is about to take responsibility for.
package struct NewMessage: Sendable {
    /// Its name.
    package let id: QueueID
    /// Sender and recipients after all edits; at least one recipient.
    package let envelope: Envelope
    /// The content, Received field on top, dot-stuffing removed.
    package let content: StoredContent
    /// When it arrived.
    package let arrival: Timestamp
    /// Why it is to be held rather than delivered; `nil` for delivery.
    package let holdReason: String?
    /// Whether the hub made it itself: a notification.
    package let isNotification: Bool

    package init(
        id: QueueID,
        envelope: Envelope,
        content: StoredContent,
        arrival: Timestamp,
        holdReason: String? = nil,
        isNotification: Bool = false
    ) {
        self.id = id
        self.envelope = envelope
        self.content = content
        self.arrival = arrival
        self.holdReason = holdReason
        self.isNotification = isNotification
    }
}

/// A recipient that does not take a message which is accepted for others.
package struct RecipientFailure: Sendable {
    /// The recipient.
    package let recipient: EnvelopeRecipient
    /// Why: 5yz.
    package let reply: Reply

    package init(recipient: EnvelopeRecipient, reply: Reply) {
        self.recipient = recipient
        self.reply = reply
    }
}

/// Where recipients go together: one route, and for routes by MX one domain.
///
/// The unit of throttling and connection reuse.
package struct Destination: Hashable, Sendable {
    /// The name of the route in config.json.
    package let route: String
    /// The recipient domain in canonical form (or a literal in brackets) for routes by MX; empty for all others.
    package let domain: String

    /// What the sender wants of its connections: such mail has sessions of its own.
    package var tls: TLSRequirement?

    package init(route: String, domain: String, tls: TLSRequirement? = nil) {
        self.route = route
        self.domain = domain
        self.tls = tls
    }

    /// The same for all that a sender may want.
    package var variants: [Destination] {
        ([nil] + TLSRequirement.allCases).map { Destination(route: self.route, domain: self.domain, tls: $0) }
    }
}

extension Destination: CustomStringConvertible {
    /// `route` or `route/domain`, and behind it what the sender wants.
    package var description: String {
        let name = self.domain.isEmpty ? self.route : "\(self.route)/\(self.domain)"
        return switch self.tls {
        case .required: "\(name) REQUIRETLS"
        case .optional: "\(name) TLS-Required:No"
        case nil: name
        }
    }
}

/// One recipient of a queued message.
package struct QueuedRecipient: Sendable {
    /// Its place in the envelope: names it within the message.
    package let index: Int
    /// The recipient.
    package let recipient: EnvelopeRecipient
    /// Attempts so far.
    package let attempts: Int

    package init(index: Int, recipient: EnvelopeRecipient, attempts: Int) {
        self.index = index
        self.recipient = recipient
        self.attempts = attempts
    }
}

/// Recipients of one message that are due at one destination, handed to exactly one worker until it reports what became of them.
package struct DeliveryJob: Sendable {
    /// The message.
    package let id: QueueID
    /// Sender and parameters; `recipients` is empty here.
    package let envelope: Envelope
    /// When the message arrived.
    package let arrival: Timestamp
    /// The content.
    package let content: StoredContent
    /// Where it goes.
    package let destination: Destination
    /// For whom: at least one.
    package let recipients: [QueuedRecipient]

    package init(
        id: QueueID,
        envelope: Envelope,
        arrival: Timestamp,
        content: StoredContent,
        destination: Destination,
        recipients: [QueuedRecipient]
    ) {
        self.id = id
        self.envelope = envelope
        self.arrival = arrival
        self.content = content
        self.destination = destination
        self.recipients = recipients
    }
}

/// What became of one recipient in one attempt.
package struct RecipientReport: Sendable {
    /// How an attempt ended.
    package enum Result: Hashable, Sendable {
        /// In the mailbox: final delivery.
        case delivered
        /// At a next hop; `dsn` says whether that hop took over the duty to notify (RFC 3461 section 5.2.2).
        case relayed(dsn: Bool)
        /// To be tried again.
        case deferred
        /// Never.
        case failed
    }
    /// The recipient's place in the envelope.
    package let index: Int
    /// How it ended.
    package let result: Result
    /// The reply behind it: the peer's, or our own.
    package let reply: Reply
    /// The peer's name, where the reply is a peer's.
    package let host: String?

    package init(index: Int, result: Result, reply: Reply, host: String?) {
        self.index = index
        self.result = result
        self.reply = reply
        self.host = host
    }
}
