import MailHubPlugin
import Synchronization

/// Probes that are under way: one for a mailbox, however many sessions ask, and so many at once; a few more wait for their turn.
final class ProbesUnderWay: Sendable {
    typealias Answer = RecipientProbeAnswer
    private struct State {
        /// What those at work and those that wait will say.
        var answers: [String: PendingAnswer] = [:]
        var atWork = 0
        /// In the order in which they have come.
        var waiting: [Waiter] = []
        var next = 0
    }
    private struct Waiter {
        let number: Int
        /// Told whether there is a place.
        let continuation: CheckedContinuation<Bool, Never>
        let timer: Task<Void, Never>
    }
    /// How many wait for each place.
    private static let waitingPerPlace = 4

    private let state = Mutex(State())
    private let most: Int
    private let patience: Duration

    /// - Parameter patience: how long one waits for a place: well below the plugin's time limit, since to outlive that counts as a
    ///   failure of the plugin.
    init(most: Int, patience: Duration) {
        self.most = most
        self.patience = patience
    }

    /// Joins the probe of a key, or begins one.
    ///
    /// A probe goes on when nobody waits for it any more: its answer will be in the cache at the next attempt.
    ///
    /// - Parameters:
    ///   - mayWait: whether it waits for its turn where all places are taken.
    ///   - limit: how long to wait for the answer.
    func answer(
        for key: String,
        mayWait: Bool,
        within limit: Duration,
        _ probe: @escaping @Sendable () async -> Answer
    ) async -> Answer {
        let pending = self.state.withLock { state -> PendingAnswer? in
            if let pending = state.answers[key] { return pending }
            guard state.answers.count < (mayWait ? self.most * (1 + Self.waitingPerPlace) : self.most) else {
                return nil
            }
            let pending = PendingAnswer()
            state.answers[key] = pending
            // Ends by itself: the service limits each probe.
            Task {
                guard await self.takePlace() else {
                    self.state.withLock { $0.answers[key] = nil }
                    return pending.finish(Self.tooMany)
                }
                let answer = await probe()
                self.leavePlace(key)
                pending.finish(answer)
            }
            return pending
        }
        guard let pending else { return Self.tooMany }
        return await withTaskGroup(of: Answer.self) { group in
            group.addTask { await pending.value() }
            group.addTask {
                try? await Task.sleep(for: limit)
                return .unavailable("no answer in time")
            }
            defer { group.cancelAll() }
            return await group.next() ?? Self.tooMany
        }
    }

    private static let tooMany = Answer.unavailable("too many probes are under way")

    /// - Returns: whether there was a place in time.
    private func takePlace() async -> Bool {
        await withCheckedContinuation { continuation in
            let isFree = self.state.withLock { state in
                if state.atWork < self.most {
                    state.atWork += 1
                    return true
                }
                state.next += 1
                let number = state.next
                let timer = Task {
                    // Cancelled once there is a place.
                    do { try await Task.sleep(for: self.patience) } catch { return }
                    self.giveUp(number)
                }
                state.waiting.append(Waiter(number: number, continuation: continuation, timer: timer))
                return false
            }
            if isFree { continuation.resume(returning: true) }
        }
    }

    private func giveUp(_ number: Int) {
        let waiter = self.state.withLock { state in
            state.waiting.firstIndex { $0.number == number }.map { state.waiting.remove(at: $0) }
        }
        waiter?.continuation.resume(returning: false)
    }

    /// The next one in the row takes it.
    private func leavePlace(_ key: String) {
        let next = self.state.withLock { state -> Waiter? in
            state.answers[key] = nil
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.atWork -= 1
            return nil
        }
        next?.timer.cancel()
        next?.continuation.resume(returning: true)
    }
}
