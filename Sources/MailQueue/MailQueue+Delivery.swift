import Logging
package import SMTP

/// A job that a worker has.
struct JobUnderWay: Sendable {
    let item: WorkItem
    /// Places of recipients whose sender knows that they are late.
    let warned: Set<Int>
}

/// A message as an attempt sees it.
struct AttemptedMessage: Sendable {
    let id: QueueID
    /// Sender and parameters; `recipients` is empty.
    let envelope: Envelope
    let arrival: Timestamp
    /// The content; `nil` where it was not read.
    let content: StoredContent?
    /// The name of its content file, where it has one.
    let contentFile: String?

    init(id: QueueID, envelope: Envelope, arrival: Timestamp, content: StoredContent, hasContent: Bool = true) {
        self.id = id
        self.envelope = envelope
        self.arrival = arrival
        self.contentFile = content.fileName
        self.content = hasContent || content.fileName != nil ? content : nil
    }
}

extension MailQueue {
    /// The recipients of one message that are due at a destination: at most 1000; `nil` when there are none now.
    package func nextJob(for destination: Destination) async -> DeliveryJob? {
        // What became durable a moment ago may be for this worker.
        if self.schedule.readyCount(at: destination) == 0 { self.handleInbox() }
        while let item = self.schedule.take(for: destination) {
            self.offer(destination)
            switch await self.job(for: item) {
            case .job(let job): return job
            case .gone: continue
            case .unavailable: return nil
            }
        }
        return nil
    }

    /// Like `nextJob(for:)`, but waits for work: workers are served in the order in which they came.
    ///
    /// - Returns: `nil` after `idle`, on cancellation, and when the queue ends.
    package func nextJob(for destination: Destination, waitingUpTo idle: Duration) async -> DeliveryJob? {
        if let job = await self.nextJob(for: destination) { return job }
        guard let item = await self.workers.wait(for: destination, until: self.clock.now + idle) else { return nil }
        self.offer(destination)
        switch await self.job(for: item) {
        case .job(let job): return job
        case .gone: return await self.nextJob(for: destination)
        case .unavailable: return nil
        }
    }

    /// Sends away the worker that has waited longest for work; it gets `nil`.
    package nonisolated func dismissIdleWorker() { self.workers.dismissOne() }

    /// Sends away workers that wait for work, for good: none of them is going to begin anything.
    package nonisolated func dismissWaitingWorkers() { self.workers.close() }

    /// Takes back a job that was not attempted: it is due again at once, and no attempt is counted.
    package func giveBack(_ job: DeliveryJob) async {
        guard let underWay = self.removeJob(job) else { return }
        self.schedule.putBack(underWay.item)
        self.offer(job.destination)
    }

    /// Counts an attempt for every recipient that waits at a destination which cannot be reached.
    ///
    /// - Parameter permanent: whether they fail, rather than wait again.
    package func destinationFailed(_ destination: Destination, reply: Reply, host: String?, permanent: Bool) async {
        // All at once, so that no worker gets them meanwhile; those that become due from now on are not meant.
        var items: [WorkItem] = []
        while let item = self.schedule.take(for: destination) { items.append(item) }
        for item in items {
            switch await self.look(up: item, withContent: false) {
            case .found(let message, let recipients, let warned):
                let reports = recipients.map {
                    RecipientReport(index: $0.index, result: permanent ? .failed : .deferred, reply: reply, host: host)
                }
                self.log(recipients, of: message, at: destination, reply, host, permanent: permanent)
                await self.conclude(message, recipients, JobUnderWay(item: item, warned: warned), reports)
            case .gone: continue
            case .unavailable: continue
            }
        }
    }

    /// One line for each recipient, as after an attempt: so that a message can be followed by its id.
    private func log(
        _ recipients: [QueuedRecipient],
        of message: AttemptedMessage,
        at destination: Destination,
        _ reply: Reply,
        _ host: String?,
        permanent: Bool
    ) {
        guard self.logger.logLevel <= .info else { return }
        for recipient in recipients {
            var metadata: Logger.Metadata = [
                "queue-id": "\(message.id)", "from": "\(message.envelope.reversePath)",
                "to": "\(recipient.recipient.mailbox)", "destination": "\(destination)", "reply": "\(reply)",
                "attempt": "\(recipient.attempts + 1)",
            ]
            if let host { metadata["host"] = "\(host)" }
            self.logger.info(permanent ? "recipient failed" : "recipient deferred", metadata: metadata)
        }
    }

    /// What a worker's wish for a job came to.
    private enum JobAnswer {
        case job(DeliveryJob)
        /// Nothing of the item waits any more: it was deleted, held or put off.
        case gone
        /// The store cannot be read now; the item is ready again.
        case unavailable
    }

    private func job(for item: WorkItem) async -> JobAnswer {
        switch await self.look(up: item, withContent: true) {
        case .found(let message, let recipients, let warned):
            guard let content = message.content, let first = recipients.first else { return .gone }
            let key = RecipientKey(id: item.id, position: first.index)
            self.jobs[key] = JobUnderWay(item: item, warned: warned)
            return .job(
                DeliveryJob(
                    id: item.id,
                    envelope: message.envelope,
                    arrival: message.arrival,
                    content: content,
                    destination: item.destination,
                    recipients: recipients
                )
            )
        case .gone: return .gone
        case .unavailable: return .unavailable
        }
    }

    /// The entry of a job that a worker has; each is ended once.
    func removeJob(_ job: DeliveryJob) -> JobUnderWay? {
        guard let first = job.recipients.first else { return nil }
        let underWay = self.jobs.removeValue(forKey: RecipientKey(id: job.id, position: first.index))
        if underWay == nil {
            assertionFailure("a job was ended that nobody has")
            self.logger.critical("a job was ended twice", metadata: ["queue-id": "\(job.id)"])
        }
        return underWay
    }

    /// What is known about an item.
    private enum LookUp {
        case found(AttemptedMessage, [QueuedRecipient], warned: Set<Int>)
        case gone
        case unavailable
    }

    /// Finds the message of an item that was taken: among the fresh ones, or in the store.
    ///
    /// What the store no longer has waiting is passed over: the window may have been filled just before it was recorded as done.
    private func look(up item: WorkItem, withContent: Bool) async -> LookUp {
        if item.isFresh, let routed = self.fresh[item.id] {
            var envelope = routed.message.envelope
            let recipients = item.positions.compactMap { position in
                envelope.recipients.indices.contains(position)
                    ? QueuedRecipient(index: position, recipient: envelope.recipients[position], attempts: 0) : nil
            }
            envelope.recipients = []
            let message = AttemptedMessage(
                id: item.id,
                envelope: envelope,
                arrival: routed.message.arrival,
                content: routed.message.content
            )
            return .found(message, recipients, warned: [])
        }
        do {
            let loaded = try await self.store.load(item.id, positions: item.positions, withContent: withContent)
            let latest = max(self.clock.now, item.due)
            let waiting = loaded?.recipients.filter { $0.state == .waiting && $0.due <= latest } ?? []
            guard let loaded, !waiting.isEmpty else {
                self.pass(over: item)
                return .gone
            }
            let message = AttemptedMessage(
                id: item.id,
                envelope: loaded.envelope,
                arrival: loaded.arrival,
                content: loaded.content,
                hasContent: withContent
            )
            return .found(
                message,
                waiting.map(\.queued),
                warned: Set(waiting.filter(\.isWarned).map(\.queued.index))
            )
        } catch .damaged(_, let reason) {
            self.pass(over: item)
            await self.setAside(item.id, reason: reason)
            return .gone
        } catch {
            self.logger.error("a message cannot be read", metadata: ["queue-id": "\(item.id)", "error": "\(error)"])
            self.schedule.putBack(item)
            return .unavailable
        }
    }

    /// Lets go of an item that was taken and has nothing to do.
    private func pass(over item: WorkItem) {
        self.schedule.attemptEnded(item)
        self.schedule.settle(item)
        self.release(item)
    }
}
