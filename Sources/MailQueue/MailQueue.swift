package import Logging
package import SMTP

/// The one owner of what is queued and when it is due.
///
/// What came last from the outside waits in `inbox`, what is due soon is in `schedule`, everything is in `store`. Sessions give
/// messages to `accept(_:)`; workers take jobs with `nextJob(for:)` and report with `finish(_:_:)`; `run()` keeps it going.
package actor MailQueue {
    /// Destinations with due work that no present worker is going to take.
    ///
    /// One element for each worker that could be of use; duplicates are harmless, and what was not acted upon is repeated every
    /// few seconds. For one consumer; ends with the queue.
    package nonisolated let readyDestinations: AsyncStream<Destination>
    /// Where contents that are too large for the store are spooled.
    package nonisolated var content: ContentDirectory { self.store.content }

    nonisolated let store: any QueueStore
    nonisolated let settings: QueueSettings
    nonisolated let clock: any WallClock
    nonisolated let logger: Logger
    nonisolated let route: @Sendable (EnvelopeRecipient) -> Destination
    nonisolated let composer: (any NotificationComposer)?
    nonisolated let inbox = ArrivalInbox()
    nonisolated let workers = WaitingWorkers()
    private nonisolated let sleep: @Sendable (Duration) async throws -> Void
    private nonisolated let ready: AsyncStream<Destination>.Continuation

    var schedule: DeliverySchedule
    var fresh: FreshMessages
    /// Jobs that workers have, by their first recipient.
    var jobs: [RecipientKey: JobUnderWay] = [:]
    /// What senders are to be told when their message's other recipients are done, too.
    var notices: [QueueID: PendingNotices] = [:]
    /// Attempts whose record could not be written: it is tried again until it can.
    var unrecorded: [AttemptSettlement] = []
    var randomness: any RandomNumberGenerator & Sendable
    var isReading = false
    /// After a failure to read: not before then.
    var nextReading = Timestamp(milliseconds: .min)
    /// Messages whose notifications a crash has left unsent; `nil` before the store was asked.
    var unsent: [QueueID]?
    /// Ticks so far.
    private(set) var ticks = 0

    /// Makes a queue; nothing happens before `run()`.
    ///
    /// - Parameters:
    ///   - route: where a recipient goes; asked once, when the message is queued, on the session's executor.
    ///   - composer: writes notifications; `nil` for none at all.
    ///   - randomness: spreads retries.
    ///   - sleep: waits; tests pass one that they drive.
    package init(
        store: any QueueStore,
        settings: QueueSettings,
        clock: any WallClock,
        logger: Logger,
        route: @escaping @Sendable (EnvelopeRecipient) -> Destination,
        composer: (any NotificationComposer)?,
        randomness: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(),
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.store = store
        self.settings = settings
        self.clock = clock
        self.logger = logger
        self.route = route
        self.composer = composer
        self.randomness = randomness
        self.sleep = sleep
        self.schedule = DeliverySchedule(maximumActive: settings.maximumActive)
        self.fresh = FreshMessages(limit: settings.maximumCachedContent)
        // What does not fit is repeated by a later tick.
        (self.readyDestinations, self.ready) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(10_000))
    }

    /// Takes responsibility for a message: on return it is durable, and its delivery begins (RFC 5321 section 4.2.5).
    ///
    /// Runs on the caller's executor, and one commit serves all callers that are waiting. A message without recipients, or one
    /// that was stored before, is `unavailable`.
    package nonisolated func accept(_ message: NewMessage) async throws(StoreError) {
        let routed = RoutedMessage(
            message,
            destinations: self.destinations(of: message.envelope),
            due: self.clock.now
        )
        self.inbox.begin(message.id)
        do {
            try await self.store.append(routed)
        } catch {
            self.inbox.end(message.id)
            throw error
        }
        self.inbox.post(.accepted(routed))
    }

    /// Takes responsibility for copies of one message, and for telling its sender about recipients that do not take it: for all
    /// of it, or for nothing.
    package nonisolated func accept(
        _ messages: [NewMessage],
        failing failures: [RecipientFailure]
    ) async throws(StoreError) {
        var notifications: [NewMessage] = []
        if let first = messages.first { notifications = try await self.notifications(about: first, failures) }
        let now = self.clock.now
        let routed = (messages + notifications).map { message in
            RoutedMessage(message, destinations: self.destinations(of: message.envelope), due: now)
        }
        for message in routed { self.inbox.begin(message.message.id) }
        do {
            try await self.store.append(routed)
        } catch {
            for message in routed { self.inbox.end(message.message.id) }
            for notification in notifications { await self.content.discard(notification.content) }
            throw error
        }
        for message in routed { self.inbox.post(.accepted(message)) }
    }

    /// Where the recipients go.
    ///
    /// A notification whose way cannot be protected is better sent than lost (RFC 8689 section 5).
    nonisolated func destinations(of envelope: Envelope) -> [Destination] {
        let tls = envelope.reversePath == .null && envelope.tlsRequirement == .required ? nil : envelope.tlsRequirement
        return envelope.recipients.map { recipient in
            var destination = self.route(recipient)
            destination.tls = tls
            return destination
        }
    }

    /// Schedules until the task is cancelled; must run for anything to be delivered.
    package func run() async {
        await withTaskGroup { group in
            group.addTask { await self.handleArrivals() }
            group.addTask { await self.keepTime() }
        }
        self.workers.close()
        self.ready.finish()
    }

    /// Ends the queue, after `run()` has returned: everything that was recorded is made durable.
    package func close() async {
        self.workers.close()
        self.ready.finish()
        await self.store.close()
    }

    private func handleArrivals() async {
        for await _ in self.inbox.signals {
            self.handleInbox()
            await self.readMore()
        }
    }

    private func keepTime() async {
        while !Task.isCancelled {
            await self.tick()
            do { try await self.sleep(Self.tickInterval) } catch { return }
        }
    }

    /// How exact due times are kept.
    static let tickInterval: Duration = .seconds(1)

    /// Does what time demands; called every second.
    func tick() async {
        let now = self.clock.now
        self.workers.expire(now: now)
        self.handleInbox()
        for destination in self.schedule.advance(to: now) { self.offer(destination) }
        self.recordAgain()
        for item in self.schedule.makeRoom(now: now) { self.release(item) }
        await self.findUnsent()
        await self.readMore()
        await self.notifyOverdue(now: now)
        self.ticks &+= 1
        if self.ticks.isMultiple(of: 5) {
            for destination in self.schedule.readyDestinations { self.offer(destination, again: true) }
        }
    }

    /// Deals with all that has become durable.
    func handleInbox() {
        let delivery = self.inbox.take()
        if let missed = delivery.missedFrom { self.schedule.forget(from: missed) }
        for event in delivery.events {
            switch event {
            case .accepted(let routed): self.admit(routed)
            case .recorded(let settlement, .success): self.settle(settlement)
            case .recorded(let settlement, .failure(let error)):
                self.logger.error(
                    "an outcome could not be recorded; it is kept and tried again",
                    metadata: ["queue-id": "\(settlement.outcome.id)", "error": "\(error)"]
                )
                self.unrecorded.append(settlement)
            }
        }
    }

    /// Schedules a message that was just stored.
    func admit(_ routed: RoutedMessage) {
        let message = routed.message
        self.inbox.end(message.id)
        guard message.holdReason == nil else { return }
        let now = self.clock.now
        let taken = WorkItem.items(of: routed).filter { self.schedule.add($0, now: now) }
        self.fresh.keep(routed, uses: taken.count)
        for item in taken { self.offer(item.destination) }
    }

    /// An item is in the schedule no more.
    func release(_ item: WorkItem) {
        if item.isFresh { self.fresh.release(item.id) }
    }

    /// Gives ready work to waiting workers, and invites more where there is more.
    func offer(_ destination: Destination, again: Bool = false) {
        while self.schedule.readyCount(at: destination) > 0, let worker = self.workers.takeFirst(at: destination) {
            // Nothing to take although something is ready: the destination is suspended. The worker asks again.
            worker.resume(returning: self.schedule.take(for: destination))
        }
        for _ in 0..<self.schedule.invitations(for: destination, again: again) { self.ready.yield(destination) }
    }
}
