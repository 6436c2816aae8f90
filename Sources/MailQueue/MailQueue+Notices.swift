import Logging
import NIOCore
import SMTP

/// When senders are told what became of their messages.
extension MailQueue {
    /// Adds what an attempt calls for to the message's notices; sends them when no other recipient of it is being tried.
    ///
    /// - Returns: the record of the attempt, with notifications where they are sent, and with the entries kept where they wait.
    func notify(about round: AttemptRound) async -> OutcomeRecord {
        let id = round.message.id
        var outcome = round.outcome
        // Whatever was to be said about a delay of these recipients is out of date.
        for position in round.positions { self.notices[id]?.recipients[position] = nil }
        if !round.notices.isEmpty {
            self.notices[id, default: PendingNotices(since: round.now)].recipients
                .merge(round.notices) { _, new in new }
        }
        if self.schedule.isPressing(id) {
            for (position, pending) in round.notices where pending.isFinal {
                let notice = pending.notice
                let last = AttemptRecord(time: notice.lastAttempt, reply: notice.reply, host: notice.host)
                outcome.notices.append(OutcomeRecord.Notice(position: position, event: notice.event, last: last))
            }
        } else if let pending = self.notices.removeValue(forKey: id) {
            await self.write(pending, about: round.message, into: &outcome)
        }
        return outcome
    }

    /// Has the notifications written and puts them into the record, with the entries that they settle.
    private func write(
        _ pending: PendingNotices,
        about message: AttemptedMessage,
        into outcome: inout OutcomeRecord
    ) async {
        outcome.removed += pending.finalPositions
        outcome.warned += pending.delayedPositions
        guard let composer = self.composer, !pending.recipients.isEmpty else { return }
        let content = await self.content(of: message)
        for letter in pending.letters {
            let request = NotificationRequest(
                returnAddress: letter.owner,
                id: message.id,
                envelope: message.envelope,
                arrival: message.arrival,
                content: content,
                notices: letter.notices
            )
            guard let notification = await composer.compose(request) else {
                self.logger.error("no notification could be made", metadata: ["queue-id": "\(message.id)"])
                continue
            }
            self.logger.info(
                "sender notified",
                metadata: [
                    "queue-id": "\(message.id)", "notification": "\(notification.id)", "to": "\(letter.owner)",
                ]
            )
            let destinations = self.destinations(of: notification.envelope)
            outcome.additions.append(RoutedMessage(notification, destinations: destinations, due: self.clock.now))
        }
    }

    /// What the sender of a message that is being accepted is told about recipients that do not take it.
    ///
    /// - Throws: where a notification cannot be made: then the message is not to be accepted.
    nonisolated func notifications(
        about message: NewMessage,
        _ failures: [RecipientFailure]
    ) async throws(StoreError) -> [NewMessage] {
        guard let composer = self.composer, !failures.isEmpty else { return [] }
        var envelope = message.envelope
        envelope.recipients = []
        var pending = PendingNotices(since: message.arrival)
        for (position, failure) in failures.enumerated() {
            pending.recipients[position] = PendingNotice(
                recipient: failure.recipient,
                envelope: envelope,
                event: .failed,
                last: AttemptRecord(time: message.arrival, reply: failure.reply, host: nil),
                willRetryUntil: nil
            )
        }
        var notifications: [NewMessage] = []
        for letter in pending.letters {
            let request = NotificationRequest(
                returnAddress: letter.owner,
                id: message.id,
                envelope: envelope,
                arrival: message.arrival,
                content: message.content,
                notices: letter.notices
            )
            guard let notification = await composer.compose(request) else {
                for notification in notifications { await self.content.discard(notification.content) }
                throw .unavailable("no notification could be made")
            }
            notifications.append(notification)
        }
        return notifications
    }

    /// The content to return; empty where it cannot be read: the sender must be told all the same.
    private func content(of message: AttemptedMessage) async -> StoredContent {
        if let content = message.content { return content }
        let loaded = try? await self.store.load(message.id, positions: [], withContent: true)
        return loaded?.content ?? .inline(ByteBuffer())
    }

    /// Sends notices that have waited too long for their message's other recipients, and those that a crash has left unsent.
    func notifyOverdue(now: Timestamp) async {
        let overdue = self.notices.filter { id, pending in
            pending.since + self.settings.noticeDelay <= now || !self.schedule.isPressing(id)
        }
        for id in overdue.keys { await self.flush(id) }
        for _ in 0..<Self.unsentPerTick {
            guard let id = self.unsent?.popLast() else { break }
            guard await self.restoreNotices(of: id, now: now) else {
                self.unsent?.append(id)  // in a second again
                break
            }
            await self.flush(id)
        }
    }

    /// How many messages from before a restart are notified about each second.
    private static let unsentPerTick = 100

    /// Finds the messages whose notifications a crash has left unsent: once, before anything of them is under way.
    func findUnsent() async {
        guard self.unsent == nil else { return }
        var found: [QueueID] = []
        do {
            while true {
                let page = try await self.store.awaitingNotification(after: found.last, limit: 1000)
                found += page
                if page.count < 1000 { break }
            }
            let present = Set(self.notices.keys)
            self.unsent = found.reversed().filter { !present.contains($0) }
        } catch {
            self.logger.error("the queue cannot be read; tried again in a second", metadata: ["error": "\(error)"])
        }
    }

    /// Reads what a message's sender is yet to be told.
    ///
    /// - Returns: `false` where the store cannot say now.
    private func restoreNotices(of id: QueueID, now: Timestamp) async -> Bool {
        let loaded: LoadedMessage?
        do {
            loaded = try await self.store.load(id, positions: nil, withContent: false)
        } catch .damaged(_, let reason) {
            self.logger.error("a sender cannot be notified", metadata: ["queue-id": "\(id)", "error": "\(reason)"])
            return true
        } catch {
            self.logger.error("a message cannot be read", metadata: ["queue-id": "\(id)", "error": "\(error)"])
            return false
        }
        guard let message = loaded else { return true }
        let unreadable = Reply(554, EnhancedStatusCode(0, 0), "Delivery failed")
        var outcome = OutcomeRecord(id: id, contentFile: message.content.fileName)
        for recipient in message.recipients where recipient.state == .notifying {
            let notice = PendingNotice(
                recipient: recipient.queued.recipient,
                envelope: message.envelope,
                event: recipient.event ?? .failed,
                last: recipient.last ?? AttemptRecord(time: recipient.due, reply: unreadable, host: nil),
                willRetryUntil: nil
            )
            if let notice {
                self.notices[id, default: PendingNotices(since: now)].recipients[recipient.queued.index] = notice
            } else {
                outcome.removed.append(recipient.queued.index)
            }
        }
        if !outcome.removed.isEmpty { self.submit(AttemptSettlement(item: nil, outcome: outcome)) }
        return true
    }

    /// The message with its content; without it where that is damaged: the sender must be told all the same.
    private func loadForNotices(_ id: QueueID) async throws(StoreError) -> LoadedMessage? {
        do {
            return try await self.store.load(id, positions: [], withContent: true)
        } catch .damaged {
            return try await self.store.load(id, positions: [], withContent: false)
        }
    }

    /// Sends a message's notices now, in a transaction of their own.
    private func flush(_ id: QueueID) async {
        guard let pending = self.notices.removeValue(forKey: id), !pending.recipients.isEmpty else { return }
        let loaded: LoadedMessage?
        do {
            loaded = try await self.loadForNotices(id)
        } catch {
            self.logger.error("a message cannot be read", metadata: ["queue-id": "\(id)", "error": "\(error)"])
            // Later again, unless something newer has been said meanwhile.
            self.notices[id, default: PendingNotices(since: self.clock.now)].recipients
                .merge(pending.recipients) { new, _ in new }
            return
        }
        // A message that the operator has deleted: nobody is notified.
        guard let loaded else { return }
        let message = AttemptedMessage(
            id: id,
            envelope: loaded.envelope,
            arrival: loaded.arrival,
            content: loaded.content
        )
        var outcome = OutcomeRecord(id: id, contentFile: message.contentFile)
        await self.write(pending, about: message, into: &outcome)
        self.submit(AttemptSettlement(item: nil, outcome: outcome))
    }
}
