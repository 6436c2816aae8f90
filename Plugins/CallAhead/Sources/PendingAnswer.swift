import MailHubPlugin
import Synchronization

/// An answer that several wait for, each as long as it likes.
final class PendingAnswer: Sendable {
    typealias Answer = RecipientProbeAnswer
    private struct State {
        var answer: Answer?
        var waiting: [Int: CheckedContinuation<Answer, Never>] = [:]
        /// Those that were cancelled before they waited.
        var gone: Set<Int> = []
        var next = 0
    }
    private let state = Mutex(State())

    /// The answer, or at once that there is none where the task is cancelled.
    func value() async -> Answer {
        let number = self.state.withLock { state in
            state.next += 1
            return state.next
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let early = self.state.withLock { state -> Answer? in
                    if let answer = state.answer { return answer }
                    guard state.gone.remove(number) == nil else { return Self.cancelled }
                    state.waiting[number] = continuation
                    return nil
                }
                if let early { continuation.resume(returning: early) }
            }
        } onCancel: {
            let waiting = self.state.withLock { state in
                let waiting = state.waiting.removeValue(forKey: number)
                if waiting == nil { state.gone.insert(number) }
                return waiting
            }
            waiting?.resume(returning: Self.cancelled)
        }
    }

    /// Tells all that wait, and whoever comes later.
    func finish(_ answer: Answer) {
        let waiting = self.state.withLock { state in
            state.answer = answer
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for continuation in waiting { continuation.resume(returning: answer) }
    }

    private static let cancelled = Answer.unavailable("cancelled")
}
