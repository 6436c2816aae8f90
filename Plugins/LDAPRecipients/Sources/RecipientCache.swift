import MailHubPlugin
import Synchronization

/// Answers that were had lately, and the look-ups under way: many who ask for one address at a time cost one search.
///
/// Recipients that exist and addresses that do not have their own bounds, so that somebody who guesses addresses does not push
/// out the real ones.
final class RecipientCache: Sendable {
    /// What somebody who asks is told.
    private enum Turn { case answer(RecipientAnswer), look, askAgain }
    private struct State {
        var found: ExpiringCache<DirectoryRecipient>
        var missing: ExpiringCache<String>
        var underWay: [String: UnderWay] = [:]
        /// The last search had no answer: nobody is refused by what was said before.
        var isInTrouble = false
    }
    /// A look-up, and those who wait for it.
    private struct UnderWay {
        let began: Timestamp
        var waiting: [CheckedContinuation<Turn, Never>] = []
    }
    /// A look-up that has taken so long is waited for by nobody else: to outlive the plugin's time limit counts as its failure.
    private static let patience = Duration.seconds(3)
    private let state: Mutex<State>
    private let positive: Duration
    private let negative: Duration
    private let clock: any WallClock

    init(positive: Duration, negative: Duration, entries: Int, clock: any WallClock) {
        self.positive = positive
        self.negative = negative
        self.clock = clock
        self.state = Mutex(State(found: .init(capacity: entries), missing: .init(capacity: entries)))
    }

    /// What is known about an address, with the end of its life.
    func known(_ key: String) -> (answer: RecipientAnswer, expires: Timestamp)? {
        let now = self.clock.now
        return self.state.withLock { Self.known(key, now, &$0) }
    }

    private static func known(_ key: String, _ now: Timestamp, _ state: inout State)
        -> (answer: RecipientAnswer, expires: Timestamp)?
    {
        if let (recipient, expires) = state.found.value(for: key, at: now) { return (.found(recipient), expires) }
        if !state.isInTrouble, let (reason, expires) = state.missing.value(for: key, at: now) {
            return (.notFound(reason), expires)
        }
        return nil
    }

    /// The answer from the cache, from a look-up under way, or from `lookUp`; fresh where `lookUp` gave it.
    func answer(_ key: String, _ lookUp: () async -> RecipientAnswer) async -> (answer: RecipientAnswer, isFresh: Bool)
    {
        while true {
            switch await self.turn(key) {
            case .answer(let answer): return (answer, false)
            case .askAgain: continue
            case .look:
                let answer = await lookUp()
                self.finish(key, answer)
                return (answer, true)
            }
        }
    }

    private func turn(_ key: String) async -> Turn {
        let now = self.clock.now
        return await withCheckedContinuation { continuation in
            let turn: Turn? = self.state.withLock { state in
                if let (answer, _) = Self.known(key, now, &state) { return .answer(answer) }
                guard let underWay = state.underWay[key] else {
                    state.underWay[key] = UnderWay(began: now)
                    return .look
                }
                guard now - underWay.began < Self.patience else {
                    return .answer(.unavailable("it is still being looked up"))
                }
                state.underWay[key]?.waiting.append(continuation)
                return nil
            }
            if let turn { continuation.resume(returning: turn) }
        }
    }

    private func finish(_ key: String, _ answer: RecipientAnswer) {
        // A client that went away cancels its look-up: what was found nevertheless counts, all else says nothing to the others.
        let isWorthless = if case .found = answer { false } else { Task.isCancelled }
        let waiting = self.state.withLock { state in
            if !isWorthless { self.keep(key, answer, &state) }
            return state.underWay.removeValue(forKey: key)?.waiting ?? []
        }
        for continuation in waiting { continuation.resume(returning: isWorthless ? .askAgain : .answer(answer)) }
    }

    private func keep(_ key: String, _ answer: RecipientAnswer, _ state: inout State) {
        state.isInTrouble = if case .unavailable = answer { true } else { false }
        switch answer {
        case .found(let recipient):
            state.missing.remove(key)
            state.found.set(recipient, for: key, expires: self.clock.now + self.positive)
        case .notFound(let reason):
            state.found.remove(key)
            state.missing.set(reason, for: key, expires: self.clock.now + self.negative)
        case .unavailable: break
        }
    }

    /// Forgets an address.
    func forget(_ key: String) {
        self.state.withLock { state in
            state.found.remove(key)
            state.missing.remove(key)
        }
    }

    /// How many recipients and how many addresses that do not exist are known.
    var counts: (found: Int, missing: Int) { self.state.withLock { ($0.found.count, $0.missing.count) } }
}
