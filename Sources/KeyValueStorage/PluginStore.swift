import Foundation
import GRDB
import MailHubPlugin
import SMTP

/// One plugin's part of the file.
struct PluginStore: KeyValueStore {
    private static let longestKey = 1024
    private static let largestValue = 64 * 1024

    let space: String
    let database: DatabasePool
    let clock: any WallClock

    func value(for key: String) async throws -> StoredValue? {
        let (space, now) = (self.space, self.clock.now)
        return try await self.translating {
            try await self.database.read { try Self.read($0, space, key, now) }
        }
    }

    func update<Result: Sendable>(
        _ key: String,
        _ body: @escaping @Sendable (inout StoredValue?) throws -> Result
    ) async throws -> Result {
        guard key.utf8.count <= Self.longestKey else { throw StoreUnavailable("a key is longer than 1 KiB") }
        let (space, now) = (self.space, self.clock.now)
        return try await self.translating {
            try await self.database.write { database in
                let before = try Self.read(database, space, key, now)
                var value = before
                let result = try body(&value)
                if value != before { try Self.write(database, space, key, value) }
                return result
            }
        }
    }

    /// Above every character of a key: where the index need not be read any further.
    private static let highest = "\u{10FFFF}"

    func entries(withPrefix prefix: String, after key: String?, limit: Int) async throws -> [KeyedValue] {
        let (space, now) = (self.space, self.clock.now)
        return try await self.translating {
            try await self.database.read { database in
                let rows = try Row.fetchAll(
                    database,
                    sql: """
                        SELECT key, data, expires FROM entry
                        WHERE space = ? AND key >= ? AND key < ? AND key > ? AND substr(key, 1, length(?)) = ?
                        AND (expires IS NULL OR expires > ?) ORDER BY key LIMIT ?
                        """,
                    arguments: [
                        space, prefix, prefix + Self.highest, key ?? "", prefix, prefix, now.milliseconds,
                        max(limit, 0),
                    ]
                )
                return rows.map { KeyedValue(key: $0["key"], value: Self.value($0)) }
            }
        }
    }

    func count() async throws -> Int {
        let (space, now) = (self.space, self.clock.now)
        return try await self.translating {
            try await self.database.read { database in
                try Int.fetchOne(
                    database,
                    sql: "SELECT count(*) FROM entry WHERE space = ? AND (expires IS NULL OR expires > ?)",
                    arguments: [space, now.milliseconds]
                ) ?? 0
            }
        }
    }

    private static func read(_ database: Database, _ space: String, _ key: String, _ now: Timestamp) throws
        -> StoredValue?
    {
        let statement = try database.cachedStatement(
            sql: "SELECT data, expires FROM entry WHERE space = ? AND key = ? AND (expires IS NULL OR expires > ?)"
        )
        return try Row.fetchOne(statement, arguments: [space, key, now.milliseconds]).map(Self.value)
    }

    private static func write(_ database: Database, _ space: String, _ key: String, _ value: StoredValue?) throws {
        guard let value else {
            let statement = try database.cachedStatement(sql: "DELETE FROM entry WHERE space = ? AND key = ?")
            return try statement.execute(arguments: [space, key])
        }
        guard value.data.count <= Self.largestValue else { throw StoreUnavailable("a value is larger than 64 KiB") }
        let statement = try database.cachedStatement(
            sql: "INSERT OR REPLACE INTO entry (space, key, data, expires) VALUES (?, ?, ?, ?)"
        )
        try statement.execute(arguments: [space, key, Data(value.data), value.expires?.milliseconds])
    }

    private static func value(_ row: Row) -> StoredValue {
        // GRDB traps on a value that it cannot convert; the table is STRICT, so these columns have their types.
        StoredValue(
            [UInt8](row["data"] as Data? ?? Data()),
            expires: (row["expires"] as Int64?).map { Timestamp(milliseconds: $0) }
        )
    }

    /// Errors of the database become `StoreUnavailable`; those of a caller's body stay what they are.
    private func translating<Answer>(_ body: () async throws -> Answer) async throws -> Answer {
        do {
            return try await body()
        } catch let error as DatabaseError {
            throw StoreUnavailable("\(error.message ?? error.description)")
        }
    }
}
