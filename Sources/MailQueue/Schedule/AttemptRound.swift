import SMTP

/// Sorts the recipients of one attempt: who is done, who is tried again and when, and whose sender is to be told (RFC 3461
/// section 5.2, RFC 5321 section 4.5.4.1).
struct AttemptRound {
    /// Something that the queue decides, for the log.
    struct Decision {
        let text: String
        let recipient: QueuedRecipient
        let reply: Reply
    }

    let message: AttemptedMessage
    let now: Timestamp
    private let retry: RetrySchedule
    /// Whether there is somebody who writes notifications.
    private let notifies: Bool
    /// What to record, but for notifications.
    private(set) var outcome: OutcomeRecord
    /// What senders are to be told.
    private(set) var notices: [Int: PendingNotice] = [:]
    /// Recipients that were part of the attempt.
    private(set) var positions: [Int] = []
    private(set) var decisions: [Decision] = []
    /// When those with so many attempts are tried again: together, so that they stay one job.
    private var due: [Int: Timestamp?] = [:]

    init(message: AttemptedMessage, now: Timestamp, retry: RetrySchedule, notifies: Bool) {
        self.message = message
        self.now = now
        self.retry = retry
        self.notifies = notifies
        self.outcome = OutcomeRecord(id: message.id, contentFile: message.contentFile)
    }

    /// Decides about one recipient.
    mutating func take(
        _ report: RecipientReport,
        for recipient: QueuedRecipient,
        isWarned: Bool,
        randomness: inout some RandomNumberGenerator
    ) {
        self.positions.append(recipient.index)
        switch report.result {
        case .delivered: self.done(recipient, .delivered, report)
        // The next hop notifies (RFC 3461 section 5.2.1).
        case .relayed(dsn: true): self.outcome.removed.append(recipient.index)
        case .relayed(dsn: false): self.done(recipient, .relayed, report)
        case .failed: self.done(recipient, .failed, report)
        case .deferred:
            let attempts = recipient.attempts + 1
            if let next = self.nextAttempt(after: attempts, randomness: &randomness) {
                self.putOff(recipient, until: next, attempts: attempts, isWarned: isWarned, report)
            } else {
                self.decisions.append(Decision(text: "given up", recipient: recipient, reply: report.reply))
                self.done(recipient, .expired, report)
            }
        }
    }

    private mutating func nextAttempt(after attempts: Int, randomness: inout some RandomNumberGenerator) -> Timestamp? {
        if let known = self.due[attempts] { return known }
        let next = self.retry.nextAttempt(
            after: attempts,
            arrival: self.message.arrival,
            now: self.now,
            randomness: &randomness
        )
        self.due[attempts] = .some(next)
        return next
    }

    private mutating func putOff(
        _ recipient: QueuedRecipient,
        until due: Timestamp,
        attempts: Int,
        isWarned: Bool,
        _ report: RecipientReport
    ) {
        self.outcome.retries.append(
            OutcomeRecord.Retry(
                position: recipient.index,
                due: due,
                attempts: attempts,
                last: AttemptRecord(time: self.now, reply: report.reply, host: report.host)
            )
        )
        guard !isWarned, self.retry.isLate(arrival: self.message.arrival, now: self.now) else { return }
        self.notices[recipient.index] = self.notice(recipient, .delayed, report)
    }

    private mutating func done(_ recipient: QueuedRecipient, _ event: NotificationEvent, _ report: RecipientReport) {
        if let notice = self.notice(recipient, event, report) {
            self.notices[recipient.index] = notice
            return
        }
        self.outcome.removed.append(recipient.index)
        if event == .failed || event == .expired {
            // S5321-3.6.3-03 for the null reverse-path, S3461-5.2.2-02 for NOTIFY=NEVER.
            let text = "failed; nobody is notified"
            self.decisions.append(Decision(text: text, recipient: recipient, reply: report.reply))
        }
    }

    private func notice(
        _ recipient: QueuedRecipient,
        _ event: NotificationEvent,
        _ report: RecipientReport
    ) -> PendingNotice? {
        guard self.notifies else { return nil }
        return PendingNotice(
            recipient: recipient.recipient,
            envelope: self.message.envelope,
            event: event,
            last: AttemptRecord(time: self.now, reply: report.reply, host: report.host),
            willRetryUntil: event == .delayed ? self.retry.end(arrival: self.message.arrival) : nil
        )
    }
}
