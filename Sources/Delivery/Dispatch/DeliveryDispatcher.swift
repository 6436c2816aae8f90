package import Logging
import MailHubPlugin
package import MailQueue
package import NIOCore
package import SMTP
import Synchronization

/// How the dispatcher behaves: from `delivery` in config.json.
package struct DispatchSettings: Sendable {
    /// Transport sessions in all.
    package var maximumSessions = 500
    /// How long a session without work waits for more before it is closed.
    package var idleTime: Duration = .seconds(5)

    package init() {}
}

/// Starts a worker for each destination that has work, within its throttle; a worker is one transport session with all that
/// goes over it.
package final class DeliveryDispatcher: Sendable {
    private struct Crew {
        var workers = 0
        /// Destinations with a worker that waits for the end of a pause: one is enough.
        var waiting: Set<Destination> = []
        /// Destinations that had work while all workers were busy: each gets one when another ends.
        var passedOver: Set<Destination> = []
        var isShuttingDown = false
    }
    private let source: any DeliverySource
    private let eventLoops: any EventLoopGroup
    private let throttles: ThrottleTable
    private let transport: @Sendable (Destination) -> (any Transport)?
    private let hooks: any DeliveryStages
    private let settings: DispatchSettings
    private let clock: any WallClock
    private let logger: Logger
    private let crew = Mutex(Crew())
    private let ready: AsyncStream<Destination>
    private let readiness: AsyncStream<Destination>.Continuation

    /// - Parameters:
    ///   - transport: the way to a destination; `nil` where the configuration has none (any more).
    ///   - hooks: the plugins of the delivery stages.
    package init(
        source: any DeliverySource,
        eventLoops: any EventLoopGroup,
        throttles: ThrottleTable,
        settings: DispatchSettings,
        hooks: any DeliveryStages,
        clock: any WallClock,
        logger: Logger,
        transport: @escaping @Sendable (Destination) -> (any Transport)?
    ) {
        self.source = source
        self.eventLoops = eventLoops
        self.throttles = throttles
        self.settings = settings
        self.hooks = hooks
        self.clock = clock
        self.logger = logger
        self.transport = transport
        (self.ready, self.readiness) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(10_000))
    }

    /// Delivers until `shutDown()`; returns when the last transaction has ended.
    package func run() async {
        await withTaskGroup { tasks in
            tasks.addTask {
                for await destination in self.source.readyDestinations { self.readiness.yield(destination) }
            }
            await withDiscardingTaskGroup { workers in
                for await destination in self.ready {
                    guard self.hire(for: destination) else {
                        // All places are taken: a session that only waits for more gives up its own.
                        self.source.dismissIdleWorker()
                        continue
                    }
                    // A worker runs on the event loop of its connection: its steps cost no change of threads.
                    let executor = EventLoopActorExecutor(self.eventLoops.next())
                    workers.addTask(executorPreference: executor.taskExecutor) {
                        await self.work(at: destination, on: executor)
                        self.dismiss()
                    }
                }
            }
            tasks.cancelAll()
        }
    }

    /// Begins no further transaction; those under way end.
    package func shutDown() {
        self.crew.withLock { $0.isShuttingDown = true }
        self.readiness.finish()
        self.source.dismissWaitingWorkers()
    }

    private func hire(for destination: Destination) -> Bool {
        self.crew.withLock { crew in
            guard !crew.isShuttingDown else { return false }
            guard crew.workers < self.settings.maximumSessions else {
                crew.passedOver.insert(destination)
                return false
            }
            crew.workers += 1
            return true
        }
    }

    private func dismiss() {
        let next = self.crew.withLock { crew in
            crew.workers -= 1
            return crew.passedOver.popFirst()
        }
        if let next { self.readiness.yield(next) }
    }

    private var isShuttingDown: Bool { self.crew.withLock { $0.isShuttingDown } }

    // MARK: A worker

    /// What a worker does after a session.
    private enum Next {
        /// There may be more to do at once.
        case goOn
        /// The destination takes no more before then.
        case pause(until: Timestamp)
        /// Nothing is left, or nothing may be done.
        case leave
    }

    private func work(at destination: Destination, on executor: EventLoopActorExecutor) async {
        while !self.isShuttingDown, !Task.isCancelled {
            let throttle = await self.throttles.throttle(for: destination)
            switch await throttle.admitSession() {
            case .granted:
                let next = await self.session(at: destination, on: executor, throttle)
                await throttle.sessionEnded()
                switch next {
                case .goOn: continue
                case .leave: return
                case .pause(let until): guard await self.wait(until, for: destination) else { return }
                }
            case .full, .suspended: return
            case .wait(let until): guard await self.wait(until, for: destination) else { return }
            }
        }
    }

    /// How long a worker waits without a session.
    ///
    /// The queue repeats every few seconds what has work, so nobody need wait longer: a worker that waits keeps another
    /// destination's from being hired, and does not see that an operator has ended the pause.
    private static let longestWait: Duration = .seconds(5)

    /// Waits for the end of a short pause, unless another worker of the destination does.
    private func wait(_ until: Timestamp, for destination: Destination) async -> Bool {
        guard until - self.clock.now <= Self.longestWait else { return false }
        guard self.crew.withLock({ $0.waiting.insert(destination).inserted }) else { return false }
        defer { self.crew.withLock { _ = $0.waiting.remove(destination) } }
        return await self.sleep(until: until) && !self.isShuttingDown
    }

    /// Sleeps in short steps, so that a shutdown need not wait for it; `false` where the task was cancelled.
    private func sleep(until: Timestamp) async -> Bool {
        while !self.isShuttingDown, self.clock.now < until {
            let rest = min(until - self.clock.now, .milliseconds(200))
            guard (try? await Task.sleep(for: rest)) != nil else { return false }
        }
        return true
    }

    /// One transport session, from opening to closing.
    private func session(
        at destination: Destination,
        on executor: EventLoopActorExecutor,
        _ throttle: DomainThrottle
    ) async -> Next {
        // The message rate is asked before the connection: nobody is connected to only to be kept waiting.
        switch await throttle.admitMessage() {
        case .granted: break
        case .wait(let until): return .pause(until: until)
        case .full, .suspended: return .leave
        }
        guard let first = await self.source.nextJob(for: destination) else {
            await throttle.messageNotSent()
            return .leave
        }
        guard let transport = self.transport(destination) else {
            await self.report(first, Self.noRoute(for: first), throttle)
            return .goOn
        }
        let session: any TransportSession
        do {
            session = try await transport.open(destination, on: executor)
        } catch {
            await throttle.messageNotSent()
            await self.failed(first, error, throttle)
            return .goOn
        }
        let next = await self.deliver(first, andMoreOver: session, throttle)
        await session.close()
        return next
    }

    /// Delivers over a session for as long as there is work, the peer agrees, and the throttle grants.
    private func deliver(
        _ first: DeliveryJob,
        andMoreOver session: any TransportSession,
        _ throttle: DomainThrottle
    ) async -> Next {
        var job = first
        while true {
            await self.deliver(job, over: session, throttle)
            guard await session.isReusable, !self.isShuttingDown else { return .goOn }
            guard let next = await self.nextJob(for: first.destination) else { return .leave }
            switch await self.permission(throttle) {
            case .granted: job = next
            case .wait(let until):
                await self.source.giveBack(next)
                return .pause(until: until)
            case .full, .suspended:
                await self.source.giveBack(next)
                return .leave
            }
        }
    }

    /// The next job for an open session; it is waited for unless somebody else waits for a place.
    private func nextJob(for destination: Destination) async -> DeliveryJob? {
        guard self.crew.withLock({ $0.passedOver.isEmpty }) else { return await self.source.nextJob(for: destination) }
        return await self.source.nextJob(for: destination, waitingUpTo: self.settings.idleTime)
    }

    /// Asks for the next message of an open session, and waits for the rate as long as the session may be idle.
    private func permission(_ throttle: DomainThrottle) async -> Admission {
        while !self.isShuttingDown {
            let admission = await throttle.admitMessage()
            guard case .wait(let until) = admission else { return admission }
            guard until - self.clock.now <= self.settings.idleTime else { return .wait(until: until) }
            guard await self.sleep(until: until) else { break }
        }
        return .suspended
    }

    private func deliver(_ job: DeliveryJob, over session: any TransportSession, _ throttle: DomainThrottle) async {
        switch await self.hooks.willDeliver(job) {
        case .deliver(let changed):
            let reports = await session.deliver(changed)
            await self.hooks.release(changed, original: job)
            await self.report(job, reports, throttle, security: session.security)
        case .refuse(let reply):
            let result: RecipientReport.Result = reply.code.replyClass == .permanentFailure ? .failed : .deferred
            let reports = job.recipients.map {
                RecipientReport(index: $0.index, result: result, reply: reply, host: nil)
            }
            await self.report(job, reports, nil)
        }
    }

    // MARK: Outcomes

    private static func noRoute(for job: DeliveryJob) -> [RecipientReport] {
        let reply = Reply(451, .init(4, 4), "No route to the destination is configured")
        return job.recipients.map { RecipientReport(index: $0.index, result: .deferred, reply: reply, host: nil) }
    }

    private func failed(_ job: DeliveryJob, _ failure: TransportFailure, _ throttle: DomainThrottle) async {
        var metadata: Logger.Metadata = ["destination": "\(job.destination)", "reply": "\(failure.reply)"]
        if let host = failure.host { metadata["host"] = "\(host)" }
        self.logger.info("destination failed", metadata: metadata)
        if failure.isDestinationTrouble { await throttle.recordTrouble() }
        await self.source.giveBack(job)
        await self.source.destinationFailed(
            job.destination,
            reply: failure.reply,
            host: failure.host,
            permanent: failure.reply.code.replyClass == .permanentFailure
        )
    }

    private func report(
        _ job: DeliveryJob,
        _ reports: [RecipientReport],
        _ throttle: DomainThrottle?,
        security: String? = nil
    ) async {
        if let throttle {
            let isTrouble = !reports.isEmpty && reports.allSatisfy(\.isDestinationTrouble)
            if isTrouble { await throttle.recordTrouble() } else { await throttle.recordSuccess() }
        }
        self.log(job, reports, security: security)
        await self.source.finish(job, reports)
        await self.hooks.delivered(job, reports)
    }

    private func log(_ job: DeliveryJob, _ reports: [RecipientReport], security: String?) {
        guard self.logger.logLevel <= .info else { return }
        var recipients: [Int: QueuedRecipient] = [:]
        for recipient in job.recipients { recipients[recipient.index] = recipient }
        for report in reports {
            guard let recipient = recipients[report.index] else { continue }
            var metadata: Logger.Metadata = [
                "queue-id": "\(job.id)", "from": "\(job.envelope.reversePath)",
                "to": "\(recipient.recipient.mailbox)", "destination": "\(job.destination)",
                "reply": "\(report.reply)", "attempt": "\(recipient.attempts + 1)",
            ]
            if let host = report.host { metadata["host"] = "\(host)" }
            if let security { metadata["tls"] = "\(security)" }
            self.logger.info(report.result.message, metadata: metadata)
        }
    }
}

extension RecipientReport {
    /// Whether the outcome says something about the destination rather than the recipient: it closes, or is gone.
    fileprivate var isDestinationTrouble: Bool {
        guard case .deferred = self.result else { return false }
        return self.reply.code == 421 || self.reply.enhanced?.subject == 4
    }
}

extension RecipientReport.Result {
    fileprivate var message: Logger.Message {
        switch self {
        case .delivered: "recipient delivered"
        case .relayed: "recipient relayed"
        case .deferred: "recipient deferred"
        case .failed: "recipient failed"
        }
    }
}
