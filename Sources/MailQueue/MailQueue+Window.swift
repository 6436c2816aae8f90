import Logging
import SMTP

/// Filling the window onto the store.
extension MailQueue {
    /// Reads what becomes due soon, while there is room for it: never twice at a time.
    func readMore() async {
        // Not before the messages are known whose notifications are due: so that none of them is under way yet.
        guard !self.isReading, self.unsent != nil, self.clock.now >= self.nextReading else { return }
        guard self.schedule.wantsReading(now: self.clock.now) else { return }
        self.isReading = true
        defer { self.isReading = false }
        do {
            while self.schedule.wantsMore(now: self.clock.now) {
                let now = self.clock.now
                let query = self.schedule.dueQuery(now: now)
                let page = try await self.store.due(query)
                // Before the items are added: those that find no room draw the horizon back.
                self.schedule.advanceHorizon(
                    to: page.isComplete ? .end(of: query.until) : page.last ?? .end(of: query.until)
                )
                await self.take(page)
            }
            while let destination = self.schedule.nextToCatchUp(now: self.clock.now) {
                let query = self.schedule.catchUpQuery(for: destination, until: self.clock.now)
                let page = try await self.store.due(query)
                if !page.isComplete { self.schedule.markBehind(destination) }
                await self.take(page)
                if page.recipients.isEmpty { break }
            }
        } catch {
            self.nextReading = self.clock.now + Self.tickInterval
            self.logger.error("the queue cannot be read; tried again in a second", metadata: ["error": "\(error)"])
        }
    }

    private func take(_ page: DuePage) async {
        for destination in page.overShare { self.schedule.markBehind(destination) }
        let now = self.clock.now
        // Messages whose event is still to come are scheduled by that, with their content at hand.
        let recipients = page.recipients.filter {
            !self.schedule.known.contains($0.key) && !self.inbox.isUnderWay($0.key.id)
        }
        for item in WorkItem.items(of: recipients) where self.schedule.add(item, now: now) {
            if item.due <= now { self.offer(item.destination) }
        }
        for (id, reason) in page.damaged { await self.setAside(id, reason: reason) }
    }

    /// Moves a message aside that cannot be read; all others go on.
    func setAside(_ id: QueueID, reason: String) async {
        self.logger.critical(
            "a queued message is damaged and was moved aside",
            metadata: ["queue-id": "\(id)", "error": "\(reason)"]
        )
        self.schedule.drop([id])
        self.fresh.drop(id)
        do {
            try await self.store.setAside(id, reason: reason)
        } catch {
            self.logger.error(
                "a damaged message stays where it is",
                metadata: ["queue-id": "\(id)", "error": "\(error)"]
            )
        }
    }
}

extension DueCursor {
    /// Behind everything that is due up to an instant.
    static func end(of instant: Timestamp) -> DueCursor {
        DueCursor(due: instant, key: RecipientKey(id: QueueID(rawValue: .max), position: .max))
    }
}
