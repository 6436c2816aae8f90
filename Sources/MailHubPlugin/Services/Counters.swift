import Synchronization

/// A plugin's counters: the operator sees them in `mailhub plugin list`.
public final class Counters: Sendable {
    private let values = Mutex<[String: Int]>([:])

    /// No counters yet.
    public init() {}

    /// Adds to a counter, which begins at 0.
    ///
    /// - Parameter name: a constant of the plugin, never something that a client sent: counters are not forgotten.
    public func increment(_ name: String, by amount: Int = 1) {
        self.values.withLock { values in
            let (sum, overflow) = values[name, default: 0].addingReportingOverflow(amount)
            values[name] = overflow ? .max : sum
        }
    }

    /// The value of a counter.
    public subscript(name: String) -> Int { self.values.withLock { $0[name] ?? 0 } }

    /// All counters.
    public var snapshot: [String: Int] { self.values.withLock { $0 } }
}
