import MailHubPlugin
import Synchronization

/// Probes that are under way: one for a mailbox, however many sessions ask, and so many at once.
final class ProbesUnderWay: Sendable {
    typealias Answer = RecipientProbeAnswer
    private let tasks = Mutex<[String: Task<Answer, Never>]>([:])
    private let most: Int

    init(most: Int) { self.most = most }

    /// Joins the probe of a key, or begins one.
    ///
    /// A probe goes on when the session that began it is gone: its answer will be in the cache at the next attempt.
    func answer(for key: String, _ probe: @escaping @Sendable () async -> Answer) async -> Answer {
        let task = self.tasks.withLock { tasks -> Task<Answer, Never>? in
            if let task = tasks[key] { return task }
            guard tasks.count < self.most else { return nil }
            // Ends by itself: the service limits each probe.
            let task = Task {
                let answer = await probe()
                self.tasks.withLock { _ = $0.removeValue(forKey: key) }
                return answer
            }
            tasks[key] = task
            return task
        }
        return await task?.value ?? .unavailable("too many probes are under way")
    }
}
