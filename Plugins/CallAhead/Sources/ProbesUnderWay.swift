import MailHubPlugin
import Synchronization

/// Probes that are under way: one for a mailbox, however many sessions ask, and so many at once; a few more wait for their turn.
final class ProbesUnderWay: Sendable {
    typealias Answer = RecipientProbeAnswer
    private struct State {
        /// Those at work and those that wait.
        var tasks: [String: Task<Answer, Never>] = [:]
        var atWork = 0
        /// In the order in which they have come.
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    /// How many wait for each place.
    private static let waitingPerPlace = 4

    private let state = Mutex(State())
    private let most: Int

    init(most: Int) { self.most = most }

    /// Joins the probe of a key, or begins one.
    ///
    /// A probe goes on when the session that began it is gone: its answer will be in the cache at the next attempt.
    ///
    /// - Parameter mayWait: whether it waits for its turn where all places are taken.
    func answer(
        for key: String,
        mayWait: Bool,
        _ probe: @escaping @Sendable () async -> Answer
    ) async -> Answer {
        let task = self.state.withLock { state -> Task<Answer, Never>? in
            if let task = state.tasks[key] { return task }
            guard state.tasks.count < (mayWait ? self.most * (1 + Self.waitingPerPlace) : self.most) else { return nil }
            // Ends by itself: the service limits each probe.
            let task = Task {
                await self.takePlace()
                let answer = await probe()
                self.leavePlace(key)
                return answer
            }
            state.tasks[key] = task
            return task
        }
        return await task?.value ?? .unavailable("too many probes are under way")
    }

    private func takePlace() async {
        await withCheckedContinuation { continuation in
            let isFree = self.state.withLock { state in
                if state.atWork < self.most {
                    state.atWork += 1
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    /// The next one in the row takes it.
    private func leavePlace(_ key: String) {
        let next = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.tasks[key] = nil
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.atWork -= 1
            return nil
        }
        next?.resume()
    }
}
