import MailHubPlugin
import Synchronization

/// Puts look-ups that wait for the directory into one search.
///
/// While it has little to do, each address is looked up at once and alone. When as many searches as make sense are under way,
/// addresses gather, and the next search is for all of them: the busier the directory, the less each address costs it.
final class LookupGathering: Sendable {
    /// The entries of each address; those of an address that is missing are none.
    typealias Found = Lookup<[String: [DirectoryEntry]]>

    /// Searches at one time.
    static let mostSearches = 2
    /// Addresses in one search.
    static let mostAddresses = 50
    /// For so many searches after one that failed as a whole, addresses are looked up alone: some directories limit filters.
    private static let caution = 100

    /// What somebody who waits is to do.
    private enum Turn {
        case answer(Lookup<[DirectoryEntry]>)
        /// Search for these, the own one among them.
        case search([Waiter])
        /// Search for the own one alone.
        case alone
    }
    private struct Waiter {
        let key: String
        let continuation: CheckedContinuation<Turn, Never>
    }
    private struct State {
        var searches = 0
        var waiting: [Waiter] = []
        var cautious = 0
    }
    private let state = Mutex(State())

    /// The entries of an address.
    ///
    /// - Parameter search: looks several up at once; `nil` where each has to be looked up alone.
    func entries(for key: String, _ search: ([String]) async -> Found?) async -> Lookup<[DirectoryEntry]> {
        let turn = await withCheckedContinuation { continuation in
            let mayBegin = self.state.withLock { state in
                guard state.searches < Self.mostSearches else {
                    state.waiting.append(Waiter(key: key, continuation: continuation))
                    return false
                }
                state.searches += 1
                return true
            }
            if mayBegin { continuation.resume(returning: .search([])) }
        }
        switch turn {
        case .answer(let answer): return answer
        case .alone: return await Self.entries(for: key, search)
        case .search(let others): return await self.search(for: key, others, search)
        }
    }

    private static func entries(
        for key: String,
        _ search: ([String]) async -> Found?
    ) async -> Lookup<[DirectoryEntry]> {
        await search([key])?.entries(of: key) ?? .unavailable("the directory's answer is for another address")
    }

    /// Searches for an address and for those of others, and passes the turn on.
    private func search(
        for key: String,
        _ others: [Waiter],
        _ search: ([String]) async -> Found?
    ) async -> Lookup<[DirectoryEntry]> {
        guard !others.isEmpty else {
            let answer = await Self.entries(for: key, search)
            self.passOn()
            return answer
        }
        let found = await search([key] + others.map(\.key))
        // Whoever was cancelled has an answer that says nothing to the others.
        let isCancelled = Task.isCancelled
        let usable = isCancelled ? nil : found
        if found == nil, !isCancelled { self.state.withLock { $0.cautious = Self.caution } }
        self.passOn()
        for other in others {
            other.continuation.resume(returning: usable.map { .answer($0.entries(of: other.key)) } ?? .alone)
        }
        if let found { return found.entries(of: key) }
        return await Self.entries(for: key, search)
    }

    /// A search has ended: the first of those who wait makes the next.
    private func passOn() {
        let next = self.state.withLock { state -> (Waiter, [Waiter])? in
            guard !state.waiting.isEmpty else {
                state.searches -= 1
                return nil
            }
            let count = state.cautious > 0 ? 1 : min(state.waiting.count, Self.mostAddresses)
            state.cautious = max(0, state.cautious - 1)
            let first = state.waiting[0]
            let others = Array(state.waiting[1..<count])
            state.waiting.removeFirst(count)
            return (first, others)
        }
        if let (first, others) = next { first.continuation.resume(returning: .search(others)) }
    }
}

extension Lookup where Value == [String: [DirectoryEntry]] {
    /// What was found for one of the addresses.
    fileprivate func entries(of key: String) -> Lookup<[DirectoryEntry]> {
        switch self {
        case .found(let all): all[key].map { .found($0) } ?? .notFound
        case .notFound: .notFound
        case .unavailable(let why): .unavailable(why)
        }
    }
}
