public import SMTP
import Synchronization

/// A key-value store that is gone with its process: for tests, and while a configuration is only checked.
public final class MemoryKeyValueStore: KeyValueStore {
    private let clock: (any WallClock)?
    private let values = Mutex<[String: StoredValue]>([:])
    private let failure = Mutex<StoreUnavailable?>(nil)

    /// - Parameter clock: decides what has expired; `nil`: nothing ever does.
    public init(clock: (any WallClock)? = nil) { self.clock = clock }

    /// Makes every call fail from now on, as a full disk would; `nil` ends that.
    public func fail(with error: StoreUnavailable?) { self.failure.withLock { $0 = error } }

    private func check() throws {
        if let error = self.failure.withLock({ $0 }) { throw error }
    }

    private func isAlive(_ value: StoredValue) -> Bool {
        guard let clock = self.clock, let expires = value.expires else { return true }
        return clock.now < expires
    }

    /// The value of a key; `nil` where there is none.
    public func value(for key: String) async throws -> StoredValue? {
        try self.check()
        return self.values.withLock { $0[key] }.flatMap { self.isAlive($0) ? $0 : nil }
    }

    /// Changes the value of a key.
    public func update<Result: Sendable>(
        _ key: String,
        _ body: @escaping @Sendable (inout StoredValue?) throws -> Result
    ) async throws -> Result {
        try self.check()
        return try self.values.withLock { values in
            var value = values[key].flatMap { self.isAlive($0) ? $0 : nil }
            let result = try body(&value)
            values[key] = value
            return result
        }
    }

    /// Keys that begin with `prefix`, in order.
    public func entries(withPrefix prefix: String, after key: String?, limit: Int) async throws -> [KeyedValue] {
        try self.check()
        let all = self.values.withLock { $0 }.filter { $0.key.hasPrefix(prefix) && self.isAlive($0.value) }
        let sorted = all.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        let rest = sorted.drop { entry in key.map { !$0.utf8.lexicographicallyPrecedes(entry.key.utf8) } ?? false }
        return rest.prefix(limit).map { KeyedValue(key: $0.key, value: $0.value) }
    }

    /// How many keys there are.
    public func count() async throws -> Int {
        try self.check()
        return self.values.withLock { $0.values.count { self.isAlive($0) } }
    }
}
