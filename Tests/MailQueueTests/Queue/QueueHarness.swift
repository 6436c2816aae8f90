import Logging
@testable import MailQueue
import NIOCore
import SMTP
import Synchronization
import Testing

/// Writes notifications that say what they were asked to say, and remembers the requests.
final class RecordingComposer: NotificationComposer {
    private let seen = Mutex<[NotificationRequest]>([])
    private let clock: ManualClock

    init(clock: ManualClock) { self.clock = clock }

    var requests: [NotificationRequest] { self.seen.withLock { $0 } }

    func compose(_ request: NotificationRequest) async -> NewMessage? {
        self.seen.withLock { $0.append(request) }
        return NewMessage(
            id: .make(at: self.clock.now),
            envelope: Envelope(
                reversePath: .null,
                recipients: [EnvelopeRecipient(request.returnAddress, notify: NotifyConditions())]
            ),
            content: .inline(ByteBuffer(string: request.notices.map { "\($0.event)" }.joined(separator: ","))),
            arrival: self.clock.now,
            isNotification: true
        )
    }
}

/// A running queue with a clock and a timer that the test drives.
struct QueueHarness {
    let queue: MailQueue
    let store: any QueueStore
    let clock: ManualClock
    let composer: RecordingComposer
    let lines: LogLines

    /// Runs a queue for as long as `body` does.
    static func run(
        _ store: any QueueStore,
        settings: QueueSettings = QueueSettings(),
        clock: ManualClock = ManualClock(),
        _ body: (QueueHarness) async throws -> Void
    ) async throws {
        let composer = RecordingComposer(clock: clock)
        let lines = LogLines()
        let queue = MailQueue(
            store: store,
            settings: settings,
            clock: clock,
            logger: lines.logger,
            route: routeByDomain,
            composer: composer,
            randomness: Middle(),
            sleep: { _ in try await Task.sleep(for: .seconds(86400)) }  // until cancelled: the test calls tick()
        )
        let harness = QueueHarness(queue: queue, store: store, clock: clock, composer: composer, lines: lines)
        try await withThrowingTaskGroup { group in
            group.addTask { await queue.run() }
            while await queue.ticks == 0 { await Task.yield() }
            do { try await body(harness) } catch {
                group.cancelAll()
                throw error
            }
            group.cancelAll()
        }
        await queue.close()
    }

    func accept(_ message: NewMessage) async throws { try await self.queue.accept(message) }

    /// Lets time pass.
    func advance(_ seconds: Int) async {
        self.clock.advance(by: .seconds(seconds))
        await self.queue.tick()
    }

    func job(_ domain: String) async -> DeliveryJob? { await self.queue.nextJob(for: .internet(domain)) }

    /// Takes the next job for a domain and reports the same for all its recipients.
    @discardableResult
    func attempt(_ domain: String, _ result: RecipientReport.Result, _ reply: Reply = .ok) async throws -> DeliveryJob {
        let job = try #require(await self.job(domain), "no job for \(domain)")
        await self.finish(job, result, reply)
        return job
    }

    /// Reports the same for all recipients of a job.
    func finish(_ job: DeliveryJob, _ result: RecipientReport.Result, _ reply: Reply = .ok) async {
        let host = "mx.\(job.destination.domain)"
        let reports = job.recipients.map {
            RecipientReport(index: $0.index, result: result, reply: reply, host: host)
        }
        await self.queue.finish(job, reports)
    }

    /// Waits until all that was reported is durable and dealt with.
    func settled() async throws {
        // Operations take effect in order: when this one is done, so are all before it.
        _ = try await self.store.apply(.retry(now: Timestamp(milliseconds: 0)), to: .ids([]))
        try await self.store.setAside(QueueID(rawValue: 1), reason: "a barrier: there is no such message")
        await self.queue.handleInbox()
    }

    var statistics: QueueStatistics { get async throws { try await self.store.statistics() } }
}

extension Reply {
    static let ok = Reply(250, EnhancedStatusCode(0, 0), "OK")
    static let busy = Reply(450, EnhancedStatusCode(2, 0), "Busy")
    static let unknown = Reply(550, EnhancedStatusCode(1, 1), "No such user")
}
