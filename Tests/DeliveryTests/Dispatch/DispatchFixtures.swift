import MailHubPlugin
import Delivery
import MailQueue
import NIOCore
import SMTP
import Synchronization

/// A queue of jobs that a test fills by hand.
final class ScriptedSource: DeliverySource {
    struct State: Sendable {
        var jobs: [Destination: [DeliveryJob]] = [:]
        /// What was reported, in order: `recipient result code`.
        var finished: [String] = []
        var givenBack = 0
        /// What was said about destinations: `destination code permanent`.
        var failures: [String] = []
        /// Whether workers wait for more until they are sent away.
        var idles = false
        var idle: [CheckedContinuation<Void, Never>] = []
    }
    let state = Mutex(State())
    let readyDestinations: AsyncStream<Destination>
    private let ready: AsyncStream<Destination>.Continuation

    init() { (self.readyDestinations, self.ready) = AsyncStream.makeStream() }

    var finished: [String] { self.state.withLock { $0.finished } }
    var failures: [String] { self.state.withLock { $0.failures } }

    /// Queues jobs, and says so as often.
    func add(_ jobs: DeliveryJob...) {
        for job in jobs { self.state.withLock { $0.jobs[job.destination, default: []].append(job) } }
        for job in jobs { self.ready.yield(job.destination) }
    }

    /// Says once more that a destination has work.
    func invite(_ destination: Destination) { self.ready.yield(destination) }

    func waiting(_ destination: Destination) -> Int { self.state.withLock { $0.jobs[destination]?.count ?? 0 } }

    func nextJob(for destination: Destination) async -> DeliveryJob? {
        self.state.withLock { state in
            guard state.jobs[destination]?.isEmpty == false else { return nil }
            return state.jobs[destination]?.removeFirst()
        }
    }

    func nextJob(for destination: Destination, waitingUpTo idle: Duration) async -> DeliveryJob? {
        if let job = await self.nextJob(for: destination) { return job }
        await withCheckedContinuation { continuation in
            let waits = self.state.withLock { state in
                if state.idles { state.idle.append(continuation) }
                return state.idles
            }
            if !waits { continuation.resume() }
        }
        return nil
    }

    func dismissIdleWorker() {
        let first = self.state.withLock { $0.idle.isEmpty ? nil : $0.idle.removeFirst() }
        first?.resume()
    }

    func dismissWaitingWorkers() {
        let all = self.state.withLock { state in
            state.idles = false
            defer { state.idle = [] }
            return state.idle
        }
        for continuation in all { continuation.resume() }
    }

    func finish(_ job: DeliveryJob, _ reports: [RecipientReport]) async {
        let lines = zip(job.recipients, reports).map { "\($0.recipient.mailbox) \($1.summary.dropFirst(2))" }
        self.state.withLock { $0.finished += lines }
    }

    func giveBack(_ job: DeliveryJob) async {
        self.state.withLock { state in
            state.jobs[job.destination, default: []].insert(job, at: 0)
            state.givenBack += 1
        }
    }

    func destinationFailed(_ destination: Destination, reply: Reply, host: String?, permanent: Bool) async {
        self.state.withLock { state in
            state.jobs[destination] = []
            state.failures.append("\(destination) \(reply.code)\(permanent ? " permanent" : "")")
        }
    }
}

/// A transport whose sessions say what a test wants, when it wants it.
final class ScriptedTransport: Transport {
    struct State: Sendable {
        /// How the next sessions end; those behind are opened.
        var openings: [TransportFailure] = []
        /// What each job is answered with; 250 where nothing is left.
        var replies: [Reply] = []
        var opened = 0
        var open = 0
        var mostOpen = 0
        var delivered = 0
        var isReusable = true
        var isHeld = false
        var held: [CheckedContinuation<Void, Never>] = []
    }
    let state = Mutex(State())

    var opened: Int { self.state.withLock { $0.opened } }
    var open: Int { self.state.withLock { $0.open } }

    /// Lets all transactions that were held end.
    func letGo() {
        let held = self.state.withLock { state in
            state.isHeld = false
            defer { state.held = [] }
            return state.held
        }
        for continuation in held { continuation.resume() }
    }

    func open(
        _ destination: Destination,
        on executor: EventLoopActorExecutor
    ) async throws(TransportFailure) -> any TransportSession {
        let failure = self.state.withLock { state -> TransportFailure? in
            state.opened += 1
            guard state.openings.isEmpty else { return state.openings.removeFirst() }
            state.open += 1
            state.mostOpen = max(state.mostOpen, state.open)
            return nil
        }
        if let failure { throw failure }
        return Session(transport: self)
    }

    private struct Session: TransportSession {
        let transport: ScriptedTransport

        func deliver(_ job: DeliveryJob) async -> [RecipientReport] {
            await withCheckedContinuation { continuation in
                let isHeld = self.transport.state.withLock { state in
                    if state.isHeld { state.held.append(continuation) }
                    return state.isHeld
                }
                if !isHeld { continuation.resume() }
            }
            let reply = self.transport.state.withLock { state in
                state.delivered += 1
                return state.replies.isEmpty ? Reply(250, .init(0, 0), "Ok") : state.replies.removeFirst()
            }
            let result: RecipientReport.Result =
                switch reply.code.replyClass {
                case .completion: .relayed(dsn: false)
                case .permanentFailure: .failed
                case .intermediate, .transientFailure, .invalid: .deferred
                }
            return job.recipients.map { RecipientReport(index: $0.index, result: result, reply: reply, host: "mx") }
        }

        var isReusable: Bool { get async { self.transport.state.withLock { $0.isReusable } } }

        func close() async { self.transport.state.withLock { $0.open -= 1 } }
    }
}

/// A running dispatcher with all that is around it.
struct DispatchHarness {
    let dispatcher: DeliveryDispatcher
    let source: ScriptedSource
    let transport: ScriptedTransport
    let throttles: ThrottleTable
    let clock: ManualClock

    /// Waits, for a time, until something is so.
    func until(_ condition: () async -> Bool) async throws -> Bool {
        for _ in 0..<1000 {
            if await condition() { return true }
            try await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    /// Lets whatever could still happen happen.
    func settle() async throws { try await Task.sleep(for: .milliseconds(60)) }
}
