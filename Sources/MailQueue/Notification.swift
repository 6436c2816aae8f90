package import SMTP

/// What a sender is told about a recipient (RFC 3464 section 2.3.3).
package enum NotificationEvent: Int64, Hashable, Sendable, CaseIterable {
    /// It will not be delivered: the peer or the hub said so.
    case failed = 0
    /// It was not delivered within the time that the queue allows: status 4.4.7 (RFC 3463 section 3.5).
    case expired = 1
    /// It was not delivered yet; attempts go on.
    case delayed = 2
    /// It was delivered.
    case delivered = 3
    /// It was handed to a host that cannot notify (RFC 3461 section 5.2.2).
    case relayed = 4
    /// It was handed to several addresses (RFC 3461 section 5.2.7).
    case expanded = 5

    /// Whether NOTIFY asks for it: absent it means failures and, as we choose, delays (RFC 3461 sections 4.1 and 5.2).
    package func isWanted(_ notify: NotifyConditions?) -> Bool {
        switch self {
        case .failed, .expired: notify?.contains(.failure) ?? true
        case .delayed: notify?.contains(.delay) ?? true
        case .delivered, .relayed, .expanded: notify?.contains(.success) ?? false
        }
    }
}

/// What is to be said about one recipient.
package struct RecipientNotice: Sendable {
    /// The recipient as it was queued, with ORCPT and NOTIFY.
    package let recipient: EnvelopeRecipient
    /// What became of it.
    package let event: NotificationEvent
    /// The last reply: the peer's (with `host`), or our own.
    package let reply: Reply
    /// The peer, for Remote-MTA (RFC 3464 section 2.3.5).
    package let host: String?
    /// When the last attempt ended, for Last-Attempt-Date (RFC 3464 section 2.3.7).
    package let lastAttempt: Timestamp
    /// Until when attempts go on: only for `delayed` (RFC 3464 section 2.3.9).
    package let willRetryUntil: Timestamp?

    package init(
        recipient: EnvelopeRecipient,
        event: NotificationEvent,
        reply: Reply,
        host: String?,
        lastAttempt: Timestamp,
        willRetryUntil: Timestamp? = nil
    ) {
        self.recipient = recipient
        self.event = event
        self.reply = reply
        self.host = host
        self.lastAttempt = lastAttempt
        self.willRetryUntil = willRetryUntil
    }
}

/// Asks for one notification: failures, delays and successes come in requests of their own.
package struct NotificationRequest: Sendable {
    /// To whom it goes: the reverse-path, or the owner of the list that the recipients came from.
    package let returnAddress: Mailbox
    /// The message that it is about.
    package let id: QueueID
    /// Its sender and parameters (ENVID, RET, SMTPUTF8); `recipients` is empty.
    package let envelope: Envelope
    /// When it arrived.
    package let arrival: Timestamp
    /// Its content.
    package let content: StoredContent
    /// The recipients that it is about: at least one, all with NOTIFY that asks for it.
    package let notices: [RecipientNotice]

    package init(
        returnAddress: Mailbox,
        id: QueueID,
        envelope: Envelope,
        arrival: Timestamp,
        content: StoredContent,
        notices: [RecipientNotice]
    ) {
        self.returnAddress = returnAddress
        self.id = id
        self.envelope = envelope
        self.arrival = arrival
        self.content = content
        self.notices = notices
    }
}

/// Writes delivery status notifications (RFC 3464) for the queue, which decides when and about whom.
package protocol NotificationComposer: Sendable {
    /// A message with the null reverse-path and NOTIFY=NEVER (RFC 3461 section 6.1), under a fresh id.
    ///
    /// - Returns: `nil` where none can be made; the sender is then not told, and the log says so.
    func compose(_ request: NotificationRequest) async -> NewMessage?
}
