import DequeModule
import SMTP
import Synchronization

/// Workers that wait for work, by destination and in the order in which they came.
///
/// Behind a lock rather than in the queue actor, so that a cancelled worker leaves at once and can never be handed work.
final class WaitingWorkers: Sendable {
    private typealias Continuation = CheckedContinuation<WorkItem?, Never>

    private struct Worker {
        let number: UInt64
        let deadline: Timestamp
        let continuation: Continuation
    }

    private struct State {
        var workers: [Destination: Deque<Worker>] = [:]
        var nextNumber: UInt64 = 0
        /// Workers that were cancelled before they began to wait.
        var cancelled: Set<UInt64> = []
        var isClosed = false
    }

    private let state = Mutex(State())

    /// Waits for an item; `nil` at the deadline, on cancellation, and when all is over.
    ///
    /// Runs on the caller's actor: from its last look at the schedule to the entry in the line nothing can come between.
    func wait(for destination: Destination, until deadline: Timestamp) async -> WorkItem? {
        let number = self.state.withLock { state in
            state.nextNumber &+= 1
            return state.nextNumber
        }
        // Once the handler below is gone, nobody cancels this number any more.
        defer { self.state.withLock { _ = $0.cancelled.remove(number) } }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: Continuation) in
                let mayWait = self.state.withLock { state in
                    guard !state.cancelled.contains(number), !state.isClosed else { return false }
                    let worker = Worker(number: number, deadline: deadline, continuation: continuation)
                    state.workers[destination, default: []].append(worker)
                    return true
                }
                if !mayWait { continuation.resume(returning: nil) }
            }
        } onCancel: {
            self.cancel(number, at: destination)
        }
    }

    /// Takes the worker that has waited longest out of the line; its continuation is resumed by the caller, once.
    func takeFirst(at destination: Destination) -> CheckedContinuation<WorkItem?, Never>? {
        self.state.withLock { state in
            let worker = state.workers[destination]?.popFirst()
            if state.workers[destination]?.isEmpty ?? false { state.workers[destination] = nil }
            return worker?.continuation
        }
    }

    /// How many wait.
    func count(at destination: Destination) -> Int { self.state.withLock { $0.workers[destination]?.count ?? 0 } }

    /// Sends away those whose deadline has come.
    func expire(now: Timestamp) {
        let expired = self.state.withLock { state in
            var expired: [Continuation] = []
            for (destination, line) in state.workers where line.contains(where: { $0.deadline <= now }) {
                expired += line.filter { $0.deadline <= now }.map(\.continuation)
                let rest = line.filter { $0.deadline > now }
                state.workers[destination] = rest.isEmpty ? nil : rest
            }
            return expired
        }
        for continuation in expired { continuation.resume(returning: nil) }
    }

    /// Sends away the one that has waited longest.
    func dismissOne() {
        let continuation = self.state.withLock { state -> Continuation? in
            // Numbers are given in the order of arrival.
            let oldest = state.workers.min { ($0.value.first?.number ?? .max) < ($1.value.first?.number ?? .max) }
            guard let destination = oldest?.key else { return nil }
            let worker = state.workers[destination]?.popFirst()
            if state.workers[destination]?.isEmpty ?? false { state.workers[destination] = nil }
            return worker?.continuation
        }
        continuation?.resume(returning: nil)
    }

    /// Sends everybody away, for good.
    func close() {
        let all = self.state.withLock { state in
            state.isClosed = true
            defer { state.workers = [:] }
            return state.workers.values.flatMap { $0.map(\.continuation) }
        }
        for continuation in all { continuation.resume(returning: nil) }
    }

    private func cancel(_ number: UInt64, at destination: Destination) {
        let continuation = self.state.withLock { state -> Continuation? in
            guard let index = state.workers[destination]?.firstIndex(where: { $0.number == number }) else {
                // Either it has work already, or it does not wait yet.
                state.cancelled.insert(number)
                return nil
            }
            let worker = state.workers[destination]?.remove(at: index)
            if state.workers[destination]?.isEmpty ?? false { state.workers[destination] = nil }
            return worker?.continuation
        }
        continuation?.resume(returning: nil)
    }
}
