import Synchronization

/// How many connections all listeners together may have: as many as the process has file descriptors for.
///
/// A process without descriptors can neither turn clients away nor store a large message, and its operator cannot reach it; so
/// clients beyond the budget are told 421 while there still are some.
package final class ConnectionBudget: Sendable {
    private let limit: Int
    private let count = Atomic<Int>(0)

    /// - Parameter limit: connections at one time, at least 1.
    package init(limit: Int = .max) { self.limit = max(limit, 1) }

    /// Takes a place; `false` where there is none.
    func take() -> Bool {
        if self.count.add(1, ordering: .relaxed).newValue <= self.limit { return true }
        self.count.subtract(1, ordering: .relaxed)
        return false
    }

    /// Gives a place back.
    func giveBack() { self.count.subtract(1, ordering: .relaxed) }
}
