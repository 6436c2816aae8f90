public import NIOCore
import Synchronization

/// The chains that a session waits for: one, or those of recipients that are asked about together.
@usableFromInline
final class WaitingCalls: Sendable {
    private struct Call {
        let task: Task<Void, Never>
        let endures: Bool
    }
    private struct State {
        var calls: [Int: Call] = [:]
        var next = 0
    }
    private let state = Mutex(State())

    @usableFromInline init() {}

    var isEmpty: Bool { self.state.withLock { $0.calls.isEmpty } }

    /// - Parameter endures: whether the call goes on when the client is gone.
    @usableFromInline
    func add(_ task: Task<Void, Never>, endures: Bool) -> Int {
        self.state.withLock { state in
            state.next &+= 1
            state.calls[state.next] = Call(task: task, endures: endures)
            return state.next
        }
    }

    @usableFromInline
    func remove(_ number: Int) { self.state.withLock { _ = $0.calls.removeValue(forKey: number) } }

    /// Cancels all calls but those that endure.
    func cancel() {
        let calls = self.state.withLock { Array($0.calls.values) }
        for call in calls where !call.endures { call.task.cancel() }
    }
}

/// The timer of a chain that waits.
@usableFromInline
final class Watch: Sendable {
    private let state = Mutex<(scheduled: Scheduled<Void>?, isCancelled: Bool)>((nil, false))

    @usableFromInline init() {}

    @usableFromInline
    func set(_ scheduled: Scheduled<Void>) {
        let isCancelled = self.state.withLock { state in
            state.scheduled = scheduled
            return state.isCancelled
        }
        if isCancelled { scheduled.cancel() }
    }

    @usableFromInline
    func cancel() {
        let scheduled = self.state.withLock { state in
            state.isCancelled = true
            return state.scheduled.take()
        }
        scheduled?.cancel()
    }
}
