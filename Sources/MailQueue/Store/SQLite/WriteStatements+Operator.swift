import GRDB
import SMTP

/// What operators change: rare, so GRDB compiles these statements when they are needed and keeps them.
extension WriteStatements {
    func setAside(_ id: QueueID, reason: String) throws {
        try self.execute("UPDATE message SET damage = ? WHERE id = ?", [reason, id.rawValue])
        try self.execute(
            "UPDATE recipient SET state = ? WHERE message = ? AND state <> ?",
            [RecipientState.damaged.rawValue, id.rawValue, RecipientState.notifying.rawValue]
        )
    }

    /// - Returns: the messages that were changed.
    func apply(_ action: OperatorAction, to ids: [QueueID]) throws -> [QueueID] {
        try ids.filter { id in
            switch action {
            case .hold(let reason): try self.hold(id, reason: reason)
            case .release(let now): try self.release(id, now: now)
            case .retry(let now): try self.retry(id, now: now)
            case .delete: try self.delete(id)
            }
        }
    }

    private func hold(_ id: QueueID, reason: String) throws -> Bool {
        let changes = try self.execute(
            "UPDATE recipient SET state = ? WHERE message = ? AND state = ?",
            [RecipientState.held.rawValue, id.rawValue, RecipientState.waiting.rawValue]
        )
        guard changes > 0 else { return false }
        return try self.execute("UPDATE message SET hold = ? WHERE id = ?", [reason, id.rawValue]) > 0
    }

    private func release(_ id: QueueID, now: Timestamp) throws -> Bool {
        let changes = try self.execute(
            "UPDATE recipient SET state = ?, due = ? WHERE message = ? AND state IN (?, ?)",
            [
                RecipientState.waiting.rawValue, now.milliseconds, id.rawValue, RecipientState.held.rawValue,
                RecipientState.damaged.rawValue,
            ]
        )
        guard changes > 0 else { return false }
        return try self.execute("UPDATE message SET hold = NULL, damage = NULL WHERE id = ?", [id.rawValue]) > 0
    }

    private func retry(_ id: QueueID, now: Timestamp) throws -> Bool {
        try self.execute(
            "UPDATE recipient SET due = ? WHERE message = ? AND state = ?",
            [now.milliseconds, id.rawValue, RecipientState.waiting.rawValue]
        ) > 0
    }

    private func delete(_ id: QueueID) throws -> Bool {
        guard
            let row = try Row.fetchOne(
                self.database,
                sql: "SELECT file FROM message WHERE id = ?",
                arguments: [id.rawValue]
            )
        else { return false }
        try self.execute("DELETE FROM recipient WHERE message = ?", [id.rawValue])
        try self.removeMessage(id, file: row["file"])
        return true
    }

    @discardableResult
    private func execute(_ sql: String, _ arguments: StatementArguments) throws -> Int {
        try self.database.cachedStatement(sql: sql).execute(arguments: arguments)
        return self.database.changesCount
    }
}
