package import NIOCore
package import SMTP

/// What the hub tells a sender about a message (RFC 3464, in a multipart/report of RFC 6522).
///
/// The caller decides when and about whom (RFC 3461 section 5.2); this is how it is said. `write()` gives the message.
package struct DeliveryStatusNotification: Sendable {
    /// What became of a recipient.
    package enum Event: Hashable, Sendable, CaseIterable {
        /// It will not be delivered.
        case failed
        /// It could not be delivered in time: `failed`, with status 4.4.7 (RFC 3463 section 3.5).
        case expired
        /// It was not delivered yet.
        case delayed
        /// It was delivered.
        case delivered
        /// It was handed to a host that cannot notify (RFC 3461 section 5.2.2).
        case relayed
        /// It was handed to several addresses (RFC 3461 section 5.2.7).
        case expanded

        /// Whether the message was lost: then the whole of it may be returned.
        var isFailure: Bool { self == .failed || self == .expired }
    }

    /// What is said about one recipient.
    package struct Recipient: Sendable {
        /// The address that delivery was tried for.
        package let mailbox: Mailbox
        /// ORCPT as received; `nil` where there was none.
        package let originalRecipient: String?
        /// What became of it.
        package let event: Event
        /// The last reply: the peer's where there is a `remoteHost`, else our own.
        package let reply: Reply
        /// The peer that gave the reply.
        package let remoteHost: String?
        /// When the last attempt was made.
        package let lastAttempt: Timestamp?
        /// Until when attempts go on; written for `delayed` only (RFC 3464 section 2.3.9).
        package let willRetryUntil: Timestamp?

        package init(
            mailbox: Mailbox,
            originalRecipient: String? = nil,
            event: Event,
            reply: Reply,
            remoteHost: String? = nil,
            lastAttempt: Timestamp? = nil,
            willRetryUntil: Timestamp? = nil
        ) {
            self.mailbox = mailbox
            self.originalRecipient = originalRecipient
            self.event = event
            self.reply = reply
            self.remoteHost = remoteHost
            self.lastAttempt = lastAttempt
            self.willRetryUntil = willRetryUntil
        }
    }

    /// The message that the notification is about, as far as it is at hand.
    package struct Original: Sendable {
        /// The message, or so much of its start as was read.
        package let content: ByteBuffer
        /// Whether `content` is all of it.
        package let isComplete: Bool
        /// When it arrived.
        package let arrival: Timestamp
        /// ENVID as received, in xtext (RFC 3461 section 4.4).
        package let envelopeIdentifier: String?
        /// RET; without it, headers are returned: they identify the message, and the sender has the rest.
        package let returnContent: ReturnContent?

        package init(
            content: ByteBuffer,
            isComplete: Bool,
            arrival: Timestamp,
            envelopeIdentifier: String? = nil,
            returnContent: ReturnContent? = nil
        ) {
            self.content = content
            self.isComplete = isComplete
            self.arrival = arrival
            self.envelopeIdentifier = envelopeIdentifier
            self.returnContent = returnContent
        }
    }

    /// The name of this host.
    package let host: Domain
    /// Who answers questions about mail here.
    package let postmaster: Mailbox
    /// The reverse-path of the original: the one that the notification goes to (RFC 3464 section 2).
    package let returnAddress: Mailbox
    /// Names the notification: letters and digits.
    package let identifier: String
    /// When the notification is written.
    package let date: Timestamp
    /// The message that it is about.
    package let original: Original
    /// The recipients that it is about: at least one.
    package let recipients: [Recipient]

    package init(
        host: Domain,
        postmaster: Mailbox,
        returnAddress: Mailbox,
        identifier: String,
        date: Timestamp,
        original: Original,
        recipients: [Recipient]
    ) {
        self.host = host
        self.postmaster = postmaster
        self.returnAddress = returnAddress
        self.identifier = identifier
        self.date = date
        self.original = original
        self.recipients = recipients
    }

    /// Whether the notification needs SMTPUTF8 on its way (RFC 6533 section 4.5).
    ///
    /// Only an address that is not ASCII shows that the sender's system can take such mail; all others get everything in 7-bit
    /// form.
    package var isInternationalized: Bool { !self.returnAddress.isASCII }

    /// Whether any recipient is lost.
    var isFailure: Bool { self.recipients.contains { $0.event.isFailure } }
}
