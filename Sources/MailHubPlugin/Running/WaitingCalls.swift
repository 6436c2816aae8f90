public import NIOCore
import Synchronization

/// The chains that a session waits for: one, or those of recipients that are asked about together.
@usableFromInline
final class WaitingCalls: Sendable {
    private struct State {
        var tasks: [Int: Task<Void, Never>] = [:]
        var next = 0
    }
    private let state = Mutex(State())

    @usableFromInline init() {}

    @usableFromInline
    func add(_ task: Task<Void, Never>) -> Int {
        self.state.withLock { state in
            state.next &+= 1
            state.tasks[state.next] = task
            return state.next
        }
    }
    @usableFromInline
    func remove(_ number: Int) { self.state.withLock { _ = $0.tasks.removeValue(forKey: number) } }
    func cancel() {
        let tasks = self.state.withLock { Array($0.tasks.values) }
        for task in tasks { task.cancel() }
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
