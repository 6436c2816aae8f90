import Logging
import SMTP

/// What becomes of recipients after an attempt.
extension MailQueue {
    /// Takes what became of a job's recipients.
    ///
    /// Returns when the record is in the store's hands, before it is durable; until then nobody else gets these recipients. A
    /// recipient without a report is put off.
    package func finish(_ job: DeliveryJob, _ reports: [RecipientReport]) async {
        guard let underWay = self.removeJob(job) else { return }
        let message = AttemptedMessage(
            id: job.id,
            envelope: job.envelope,
            arrival: job.arrival,
            content: job.content
        )
        await self.conclude(message, job.recipients, underWay, reports)
    }

    /// Decides for each recipient, notifies where it is time, and records all of it in one transaction.
    func conclude(
        _ message: AttemptedMessage,
        _ recipients: [QueuedRecipient],
        _ underWay: JobUnderWay,
        _ reports: [RecipientReport]
    ) async {
        self.schedule.attemptEnded(underWay.item)
        var round = AttemptRound(
            message: message,
            now: self.clock.now,
            retry: self.settings.retry,
            notifies: self.composer != nil
        )
        let byPosition = Dictionary(reports.map { ($0.index, $0) }, uniquingKeysWith: { _, last in last })
        for recipient in recipients {
            let report = byPosition[recipient.index] ?? .missing(recipient.index)
            let isWarned = underWay.warned.contains(recipient.index)
            round.take(report, for: recipient, isWarned: isWarned, randomness: &self.randomness)
        }
        for event in round.decisions { self.log(event, message) }
        let outcome = await self.notify(about: round)
        self.submit(AttemptSettlement(item: underWay.item, outcome: outcome))
    }

    /// Hands a record to the store; `settle(_:)` follows when it is durable.
    func submit(_ settlement: AttemptSettlement) {
        for addition in settlement.outcome.additions { self.inbox.begin(addition.message.id) }
        self.store.submit(settlement.outcome) { [inbox] result in inbox.post(.recorded(settlement, result)) }
    }

    /// The record of an attempt is durable.
    func settle(_ settlement: AttemptSettlement) {
        let outcome = settlement.outcome
        if let item = settlement.item {
            self.schedule.settle(item)
            self.release(item)
            let now = self.clock.now
            let retries = outcome.retries.map { retry in
                DueRecipient(
                    key: RecipientKey(id: outcome.id, position: retry.position),
                    destination: item.destination,
                    due: retry.due
                )
            }
            for item in WorkItem.items(of: retries) { self.schedule.addLater(item, now: now) }
        }
        for addition in outcome.additions { self.admit(addition) }
    }

    /// Tries to record again what could not be recorded: each second, until the store takes it.
    func recordAgain() {
        let settlements = self.unrecorded
        self.unrecorded = []
        for settlement in settlements { self.submit(settlement) }
    }

    /// One line for what the queue itself decides; the outcome of each attempt is in the log of the delivery.
    private func log(_ decision: AttemptRound.Decision, _ message: AttemptedMessage) {
        self.logger.info(
            "\(decision.text)",
            metadata: [
                "queue-id": "\(message.id)", "from": "\(message.envelope.reversePath)",
                "to": "\(decision.recipient.recipient.mailbox)", "attempt": "\(decision.recipient.attempts + 1)",
                "reply": "\(decision.reply)",
            ]
        )
    }
}

extension RecipientReport {
    /// A transport that says nothing about a recipient has not delivered to it, as far as we know.
    fileprivate static func missing(_ index: Int) -> RecipientReport {
        RecipientReport(
            index: index,
            result: .deferred,
            reply: Reply(451, EnhancedStatusCode(3, 0), "No outcome was reported"),
            host: nil
        )
    }
}
