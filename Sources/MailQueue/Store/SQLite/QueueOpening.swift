import GRDB
import Logging
import SMTP

/// Opens the connections to a queue, whatever state its files are in.
struct QueueOpening {
    let writing: DatabaseQueue
    let reading: DatabaseQueue
    let checkpointing: DatabaseQueue

    init(path: String, content: ContentDirectory, logger: Logger, maximumPages: Int?) throws {
        self.writing = try Self.openForWriting(path, content, logger, maximumPages)
        self.reading = try QueueSchema.connect(path, label: "queue-reader", readingOnly: true, maximumPages: nil)
        self.checkpointing = try QueueSchema.connect(
            path,
            label: "queue-checkpoint",
            readingOnly: false,
            maximumPages: nil
        )
    }

    private static func openForWriting(
        _ path: String,
        _ content: ContentDirectory,
        _ logger: Logger,
        _ maximumPages: Int?
    ) throws -> DatabaseQueue {
        do {
            let connection = try self.connectForWriting(path, maximumPages)
            try self.sweep(connection, content, into: nil)
            return connection
        } catch {
            guard let failure = SQLiteFailure(error), failure.isCorruption else { throw error }
            let aside = try self.setAside(path)
            logger.critical(
                "queue file is damaged and was set aside; a new queue begins",
                metadata: ["file": "\(aside)", "error": "\(failure)"]
            )
            let connection = try self.connectForWriting(path, maximumPages)
            let (saved, lost) = QueueSalvage(from: aside).copy(to: connection)
            logger.critical(
                "messages from the damaged queue",
                metadata: ["saved": "\(saved)", "lost": "\(lost.map(String.init) ?? "unknown")"]
            )
            try self.sweep(connection, content, into: "\(content.path).damaged")
            return connection
        }
    }

    private static func connectForWriting(_ path: String, _ maximumPages: Int?) throws -> DatabaseQueue {
        // SQLite would make it readable by others; its log takes over the mode of the file.
        if !PosixFile.exists(path) { PosixFile.close(try PosixFile.create(path)) }
        let connection = try QueueSchema.connect(
            path,
            label: "queue-writer",
            readingOnly: false,
            maximumPages: maximumPages
        )
        try connection.inDatabase { try QueueSchema.prepare($0) }
        return connection
    }

    /// Renames the database and what belongs to it; gives the new name.
    private static func setAside(_ path: String) throws -> String {
        var number = 1
        while PosixFile.exists("\(path).damaged-\(number)") { number += 1 }
        let aside = "\(path).damaged-\(number)"
        for suffix in ["", "-wal", "-shm"] where PosixFile.exists(path + suffix) {
            try PosixFile.rename(path + suffix, to: aside + suffix)
        }
        return aside
    }

    /// Removes content files that no message has: their transaction was never committed, or their removal was cut short.
    ///
    /// - Parameter folder: where they go instead, when they may belong to messages that were lost.
    private static func sweep(_ connection: DatabaseQueue, _ content: ContentDirectory, into folder: String?) throws {
        let names = try PosixFile.names(in: content.path)
        guard !names.isEmpty else { return }
        let known = try connection.inDatabase { database in
            Set(try String.fetchAll(database, sql: "SELECT file FROM message WHERE file IS NOT NULL"))
        }
        for name in names where !known.contains(name) {
            if let folder {
                try PosixFile.makeDirectory(folder)
                try PosixFile.rename(content.path(of: name), to: "\(folder)/\(name)")
            } else {
                try PosixFile.unlink(content.path(of: name))
            }
        }
    }
}

/// Copies what can be read out of a damaged queue.
struct QueueSalvage {
    private let path: String

    init(from path: String) { self.path = path }

    /// - Returns: messages copied, and messages that are known to be lost; `nil` where not even their number can be read.
    func copy(to connection: DatabaseQueue) -> (saved: Int, lost: Int?) {
        connection.inDatabase { database in
            do {
                try database.execute(sql: "ATTACH DATABASE ? AS damaged", arguments: [self.path])
            } catch {
                return (0, nil)
            }
            defer { try? database.execute(sql: "DETACH DATABASE damaged") }
            let ids = self.readableIDs(database)
            guard !ids.isEmpty else { return (0, nil) }
            var saved = 0
            for id in ids where self.copy(id, database) { saved += 1 }
            return (saved, ids.count - saved)
        }
    }

    /// From both ends: a damaged page in the middle hides as little as possible.
    private func readableIDs(_ database: Database) -> [Int64] {
        var ids: Set<Int64> = []
        for order in ["ASC", "DESC"] {
            guard
                let cursor = try? Int64.fetchCursor(
                    database,
                    sql: "SELECT id FROM damaged.message ORDER BY id \(order)"
                )
            else { continue }
            while let id = try? cursor.next() {
                if !ids.insert(id).inserted { break }
            }
        }
        return ids.sorted()
    }

    private func copy(_ id: Int64, _ database: Database) -> Bool {
        do {
            try database.inTransaction(.immediate) {
                for (table, key) in [("message", "id"), ("content", "id"), ("recipient", "message")] {
                    try database.execute(
                        sql: "INSERT INTO main.\(table) SELECT * FROM damaged.\(table) WHERE \(key) = ?",
                        arguments: [id]
                    )
                }
                return .commit
            }
            return true
        } catch {
            return false
        }
    }
}
