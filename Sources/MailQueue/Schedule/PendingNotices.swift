import SMTP

/// What a sender is to be told about one recipient.
struct PendingNotice: Sendable {
    /// To whom.
    let owner: Mailbox
    /// What.
    let notice: RecipientNotice

    /// Whether the recipient is done, so that its entry goes with the notification.
    var isFinal: Bool { self.notice.event != .delayed }

    /// - Returns: `nil` when nobody is to be told: the reverse-path is null (RFC 5321 section 6.1), or NOTIFY does not ask for it.
    init?(
        recipient: EnvelopeRecipient,
        envelope: Envelope,
        event: NotificationEvent,
        last: AttemptRecord,
        willRetryUntil: Timestamp?
    ) {
        // Nothing about notifications, list owner or not.
        guard envelope.reversePath != .null else { return nil }
        guard let owner = (recipient.reversePath ?? envelope.reversePath).mailbox else { return nil }
        guard event.isWanted(recipient.notify) else { return nil }
        self.owner = owner
        self.notice = RecipientNotice(
            recipient: recipient,
            event: event,
            reply: last.reply,
            host: last.host,
            lastAttempt: last.time,
            willRetryUntil: willRetryUntil
        )
    }
}

/// What is to be told about the recipients of one message: gathered until no other recipient of it is being tried
/// (S5321-4.4-18: one notification rather than many).
struct PendingNotices: Sendable {
    /// Since when.
    let since: Timestamp
    /// By place in the envelope.
    var recipients: [Int: PendingNotice] = [:]

    /// One list for each notification: by return address, and failures, delays and successes apart.
    var letters: [(owner: Mailbox, notices: [RecipientNotice])] {
        struct Letter: Hashable {
            let owner: Mailbox
            let subject: NotificationEvent
        }
        var letters: [Letter: [RecipientNotice]] = [:]
        var order: [Letter] = []
        for (_, pending) in self.recipients.sorted(by: { $0.key < $1.key }) {
            let subject: NotificationEvent =
                switch pending.notice.event {
                case .failed, .expired: .failed
                case .delayed: .delayed
                case .delivered, .relayed, .expanded: .delivered
                }
            let letter = Letter(owner: pending.owner, subject: subject)
            if letters[letter] == nil { order.append(letter) }
            letters[letter, default: []].append(pending.notice)
        }
        return order.map { ($0.owner, letters[$0] ?? []) }
    }

    /// Places of recipients whose entries go with the notification.
    var finalPositions: [Int] { self.recipients.filter(\.value.isFinal).keys.sorted() }

    /// Places of recipients whose sender will know that they are late.
    var delayedPositions: [Int] { self.recipients.filter { !$0.value.isFinal }.keys.sorted() }
}
