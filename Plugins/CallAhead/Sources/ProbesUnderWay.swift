import MailHubPlugin
import Synchronization

/// Probes that are under way: one for a mailbox, however many sessions ask, and so many at once; a few more wait for their turn.
final class ProbesUnderWay: Sendable {
    typealias Answer = RecipientProbeAnswer
    private typealias Probe = Task<Answer, Never>
    private struct State {
        var tasks: [String: Probe] = [:]
        var waiting = 0
    }
    private enum Turn {
        case now(Probe)
        /// When this one has ended.
        case later(Probe)
        case never
    }
    /// How many wait for each place.
    private static let waitingPerPlace = 4

    private let state = Mutex(State())
    private let most: Int

    init(most: Int) { self.most = most }

    /// Joins the probe of a key, or begins one.
    ///
    /// A probe goes on when the session that began it is gone: its answer will be in the cache at the next attempt.
    func answer(for key: String, _ probe: @escaping @Sendable () async -> Answer) async -> Answer {
        while !Task.isCancelled {
            switch self.turn(of: key, probe) {
            case .now(let task): return await task.value
            case .later(let other):
                _ = await other.value
                self.state.withLock { $0.waiting -= 1 }
            case .never: return .unavailable("too many probes are under way")
            }
        }
        return .unavailable("the time is over")
    }

    private func turn(of key: String, _ probe: @escaping @Sendable () async -> Answer) -> Turn {
        self.state.withLock { state in
            if let task = state.tasks[key] { return .now(task) }
            if let other = state.tasks.values.first, state.tasks.count >= self.most {
                guard state.waiting < self.most * Self.waitingPerPlace else { return .never }
                state.waiting += 1
                return .later(other)
            }
            // Ends by itself: the service limits each probe.
            let task = Task {
                let answer = await probe()
                self.state.withLock { _ = $0.tasks.removeValue(forKey: key) }
                return answer
            }
            state.tasks[key] = task
            return .now(task)
        }
    }
}
