import FoundationEssentials
public import SMTP

/// A value of a key-value store, with the end of its life.
public struct StoredValue: Hashable, Sendable {
    /// The octets.
    public var data: [UInt8]
    /// When it is forgotten; `nil` for never.
    public var expires: Timestamp?

    /// Joins the two.
    public init(_ data: [UInt8], expires: Timestamp? = nil) {
        self.data = data
        self.expires = expires
    }
}

/// The store cannot be read or written now: an answer that depends on it is "unavailable", never "not found".
public struct StoreUnavailable: Error, CustomStringConvertible {
    /// For our log.
    public let description: String

    /// Makes the error with its reason.
    public init(_ description: String) { self.description = description }
}

/// A plugin's own dictionary on disk: it survives restarts, and each plugin sees its own keys only.
///
/// What was written survives a crash of the process at once, and a power failure after some seconds. A value whose time is
/// over is never seen again. Keys have at most 1 KiB, values 64 KiB.
public protocol KeyValueStore: Sendable {
    /// The value of a key; `nil` where there is none.
    ///
    /// - Throws: `StoreUnavailable`.
    func value(for key: String) async throws -> StoredValue?

    /// Changes the value of a key: nobody else reads or writes it in between.
    ///
    /// - Parameter body: gets the present value and leaves the new one, `nil` to remove it; it may be called on any thread
    ///   and must not wait.
    /// - Returns: what `body` returns.
    /// - Throws: `StoreUnavailable`, and what `body` throws: then nothing is changed.
    func update<Result: Sendable>(
        _ key: String,
        _ body: @escaping @Sendable (inout StoredValue?) throws -> Result
    ) async throws -> Result

    /// Keys that begin with `prefix`, in order, from behind `key`, with their values.
    ///
    /// - Throws: `StoreUnavailable`.
    func entries(withPrefix prefix: String, after key: String?, limit: Int) async throws -> [KeyedValue]

    /// How many keys there are.
    ///
    /// - Throws: `StoreUnavailable`.
    func count() async throws -> Int
}

/// A key with its value.
public struct KeyedValue: Hashable, Sendable {
    /// The key.
    public let key: String
    /// The value.
    public let value: StoredValue

    /// Joins the two.
    public init(key: String, value: StoredValue) {
        self.key = key
        self.value = value
    }
}

extension KeyValueStore {
    /// Sets a value.
    public func set(data: [UInt8], for key: String, expires: Timestamp?) async throws {
        try await self.update(key) { $0 = StoredValue(data, expires: expires) }
    }

    /// Removes a key; says whether it was there.
    @discardableResult
    public func remove(_ key: String) async throws -> Bool {
        try await self.update(key) { value in
            defer { value = nil }
            return value != nil
        }
    }

    /// The value of a key as a type of one's own; a value that is no longer one counts as none.
    public func value<Value: Decodable>(_ type: Value.Type, for key: String) async throws -> Value? {
        try await self.value(for: key).flatMap { try? JSONDecoder().decode(type, from: Data($0.data)) }
    }

    /// Sets a value of a type of one's own.
    public func set<Value: Encodable>(_ value: Value, for key: String, expires: Timestamp?) async throws {
        try await self.set(data: [UInt8](JSONEncoder().encode(value)), for: key, expires: expires)
    }

    /// Changes a value of a type of one's own; a stored value that is no longer one counts as none.
    ///
    /// - Parameter body: gets the present value, leaves the new one, and returns when that expires with what to return.
    public func update<Value: Codable & SendableMetatype, Result: Sendable>(
        _ type: Value.Type,
        for key: String,
        _ body: @escaping @Sendable (inout Value?) throws -> (expires: Timestamp?, result: Result)
    ) async throws -> Result {
        try await self.update(key) { stored in
            var value = stored.flatMap { try? JSONDecoder().decode(type, from: Data($0.data)) }
            let (expires, result) = try body(&value)
            stored = try value.map { StoredValue([UInt8](try JSONEncoder().encode($0)), expires: expires) }
            return result
        }
    }
}
