import GRDB
import GRDBSQLite
import NIOCore
import SMTP

/// The writer's statements; all that it says to the database while mail flows.
final class WriteStatements {
    /// For rare changes that compile their own statements.
    let database: Database
    /// Content files of messages that the open transaction has removed.
    var orphans: [String] = []

    private let log: LogLength
    private let beginStatement, commitStatement, rollbackStatement: PreparedStatement
    private let insertMessage, insertContent, insertRecipient: PreparedStatement
    private let deleteRecipient, hasRecipient, deleteMessage, deleteContent: PreparedStatement
    private let retryRecipient, keepForNotice, markWarned: PreparedStatement

    init(_ database: Database) throws {
        self.database = database
        self.log = try LogLength(database)
        func prepare(_ sql: String) throws -> PreparedStatement { try PreparedStatement(database, sql) }
        self.beginStatement = try prepare("BEGIN IMMEDIATE")
        self.commitStatement = try prepare("COMMIT")
        self.rollbackStatement = try prepare("ROLLBACK")
        self.insertMessage = try prepare(
            """
            INSERT INTO message (id, arrival, flags, size, sender, envid, declared, file, hold)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """
        )
        self.insertContent = try prepare("INSERT INTO content (id, data) VALUES (?, ?)")
        self.insertRecipient = try prepare(
            """
            INSERT INTO recipient (message, position, state, due, destination, address, notify, original, route, owner)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """
        )
        self.deleteRecipient = try prepare("DELETE FROM recipient WHERE message = ? AND position = ?")
        self.hasRecipient = try prepare("SELECT 1 FROM recipient WHERE message = ? LIMIT 1")
        self.deleteMessage = try prepare("DELETE FROM message WHERE id = ?")
        self.deleteContent = try prepare("DELETE FROM content WHERE id = ?")
        self.retryRecipient = try prepare(
            """
            UPDATE recipient SET due = ?, attempts = ?, last_time = ?, last_reply = ?, last_host = ?
            WHERE message = ? AND position = ?
            """
        )
        self.keepForNotice = try prepare(
            """
            UPDATE recipient SET state = \(RecipientState.notifying.rawValue),
            event = ?, last_time = ?, last_reply = ?, last_host = ? WHERE message = ? AND position = ?
            """
        )
        self.markWarned = try prepare("UPDATE recipient SET warned = 1 WHERE message = ? AND position = ?")
    }

    // MARK: Transactions

    func begin() throws {
        self.orphans.removeAll(keepingCapacity: true)
        try self.beginStatement.run()
    }

    func commit() throws { try self.commitStatement.run() }

    /// Undoes what is not committed; some failures have done so already, and then there is nothing to undo.
    func rollback() {
        self.orphans.removeAll()
        if self.database.isInsideTransaction { try? self.rollbackStatement.run() }
    }

    /// Pages in the write-ahead log after the last commit.
    var logPages: Int32 { self.log.pages }

    /// Moves the rest of the log into the database file, so that the next commit starts it again from its beginning.
    func checkpoint() {
        // Where a reader is in the way, or the disk is full, it goes on, and is tried again.
        _ = try? self.database.checkpoint(.passive)
        self.log.pages = 0
    }

    // MARK: Messages

    func append(_ routed: RoutedMessage) throws {
        let message = routed.message
        let id = message.id.rawValue
        guard message.envelope.recipients.count == routed.destinations.count, !routed.destinations.isEmpty else {
            throw StoreError.unavailable("a message needs a destination for each of its recipients")
        }
        self.insertMessage.bind(id, at: 1)
        self.insertMessage.bind(message.arrival.milliseconds, at: 2)
        self.insertMessage.bind(MessageFlags(message).rawValue, at: 3)
        self.insertMessage.bind(Int64(message.content.size), at: 4)
        self.insertMessage.bind(message.envelope.reversePath.description, at: 5)
        self.insertMessage.bind(message.envelope.envelopeIdentifier, at: 6)
        self.insertMessage.bind(message.envelope.declaredSize.map { Int64($0) }, at: 7)
        self.insertMessage.bind(message.holdReason, at: 9)
        switch message.content {
        case .inline(let buffer):
            self.insertMessage.bindNull(at: 8)
            self.insertContent.bind(id, at: 1)
            try self.insertContent.run(withBlob: buffer, at: 2)
        case .file(let name, _):
            self.insertMessage.bind(name, at: 8)
        }
        try self.insertMessage.run()
        let state: RecipientState = message.holdReason == nil ? .waiting : .held
        self.insertRecipient.bind(id, at: 1)
        self.insertRecipient.bind(state.rawValue, at: 3)
        self.insertRecipient.bind(routed.due.milliseconds, at: 4)
        for (position, recipient) in message.envelope.recipients.enumerated() {
            self.insertRecipient.bind(Int64(position), at: 2)
            self.insertRecipient.bind(StoredText.text(routed.destinations[position]), at: 5)
            self.insertRecipient.bind(recipient.mailbox.description, at: 6)
            self.insertRecipient.bind(recipient.notify.map { Int64($0.rawValue) }, at: 7)
            self.insertRecipient.bind(recipient.originalRecipient, at: 8)
            self.insertRecipient.bind(recipient.route, at: 9)
            self.insertRecipient.bind(recipient.reversePath?.description, at: 10)
            try self.insertRecipient.run()
        }
    }

    func record(_ outcome: OutcomeRecord) throws {
        let id = outcome.id.rawValue
        for message in outcome.additions { try self.append(message) }
        for retry in outcome.retries {
            self.retryRecipient.bind(retry.due.milliseconds, at: 1)
            self.retryRecipient.bind(Int64(retry.attempts), at: 2)
            try self.run(self.retryRecipient, retry.last, from: 3, id, retry.position)
        }
        for notice in outcome.notices {
            self.keepForNotice.bind(notice.event.rawValue, at: 1)
            try self.run(self.keepForNotice, notice.last, from: 2, id, notice.position)
        }
        for position in outcome.warned { try self.run(self.markWarned, id, position) }
        guard !outcome.removed.isEmpty else { return }
        for position in outcome.removed { try self.run(self.deleteRecipient, id, position) }
        self.hasRecipient.bind(id, at: 1)
        if try self.hasRecipient.step() {
            self.hasRecipient.reset()
        } else {
            try self.removeMessage(outcome.id, file: outcome.contentFile)
        }
    }

    /// Removes a message without recipients.
    func removeMessage(_ id: QueueID, file: String?) throws {
        self.deleteMessage.bind(id.rawValue, at: 1)
        try self.deleteMessage.run()
        if let file {
            self.orphans.append(file)
        } else {
            self.deleteContent.bind(id.rawValue, at: 1)
            try self.deleteContent.run()
        }
    }

    private func run(_ statement: PreparedStatement, _ id: Int64, _ position: Int) throws {
        statement.bind(id, at: 1)
        statement.bind(Int64(position), at: 2)
        try statement.run()
    }

    private func run(
        _ statement: PreparedStatement,
        _ attempt: AttemptRecord,
        from index: Int32,
        _ id: Int64,
        _ position: Int
    ) throws {
        statement.bind(attempt.time.milliseconds, at: index)
        statement.bind(StoredText.text(attempt.reply), at: index + 1)
        statement.bind(attempt.host, at: index + 2)
        statement.bind(id, at: index + 3)
        statement.bind(Int64(position), at: index + 4)
        try statement.run()
    }
}

/// How many pages the write-ahead log had after the last commit of a connection.
@safe
private final class LogLength {
    private let counter: UnsafeMutablePointer<Int32>
    private let connection: OpaquePointer

    init(_ database: Database) throws {
        guard let connection = unsafe database.sqliteConnection else {
            throw SQLiteFailure(code: SQLITE_MISUSE, message: "the database is closed")
        }
        unsafe self.connection = connection
        unsafe self.counter = .allocate(capacity: 1)
        unsafe self.counter.initialize(to: 0)
        // Called on the thread that commits, which is the one that reads `pages`.
        unsafe sqlite3_wal_hook(
            connection,
            { counter, _, _, pages in
                unsafe counter?.assumingMemoryBound(to: Int32.self).pointee = pages
                return SQLITE_OK
            },
            self.counter
        )
    }

    deinit {
        unsafe sqlite3_wal_hook(self.connection, nil, nil)
        unsafe self.counter.deallocate()
    }

    var pages: Int32 {
        get { unsafe self.counter.pointee }
        set { unsafe self.counter.pointee = newValue }
    }
}
