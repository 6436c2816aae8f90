import GRDB
import NIOCore
import SMTP

/// The reader's statements for the schedule: what is due, and the messages behind it.
final class ReadStatements {
    /// For listings, which compile their own statements.
    let database: Database

    private let dueStatement, dueAtDestination: PreparedStatement
    private let message, content, recipients, recipient, notifying: PreparedStatement

    /// Waiting recipients that one query looks at, at most: those over their destination's share are passed over.
    private static let mostRowsLookedAt = 200_000

    init(_ database: Database) throws {
        self.database = database
        func prepare(_ sql: String) throws -> PreparedStatement { try PreparedStatement(database, sql) }
        let due = """
            SELECT due, message, position, destination FROM recipient INDEXED BY recipient_due
            WHERE state = 0 AND due <= ? AND (due, message, position) > (?, ?, ?)
            """
        self.dueStatement = try prepare(due + " ORDER BY due, message, position")
        self.dueAtDestination = try prepare(due + " AND destination = ? ORDER BY due, message, position")
        self.message = try prepare(
            "SELECT arrival, flags, size, sender, envid, declared, file FROM message WHERE id = ?"
        )
        self.content = try prepare("SELECT data FROM content WHERE id = ?")
        let columns = """
            SELECT position, state, due, destination, address, attempts, notify, original, route, owner,
            warned, event, last_time, last_reply, last_host FROM recipient WHERE message = ?
            """
        self.recipients = try prepare(columns + " ORDER BY position")
        self.recipient = try prepare(columns + " AND position = ?")
        self.notifying = try prepare(
            "SELECT DISTINCT message FROM recipient WHERE state = 2 AND message > ? ORDER BY message LIMIT ?"
        )
    }

    /// Answers a query of the schedule.
    func due(_ query: DueQuery) throws -> DuePage {
        var query = query
        var page = DuePage()
        let statement = query.destination == nil ? self.dueStatement : self.dueAtDestination
        statement.bind(query.until.milliseconds, at: 1)
        statement.bind(query.after?.due.milliseconds ?? .min, at: 2)
        statement.bind(query.after?.key.id.rawValue ?? .min, at: 3)
        statement.bind(query.after.map { Int64($0.key.position) } ?? .min, at: 4)
        if let destination = query.destination { statement.bind(StoredText.text(destination), at: 5) }
        defer { statement.reset() }
        var rows = 0
        while try statement.step() {
            let id = QueueID(rawValue: statement.integer(1))
            let key = RecipientKey(id: id, position: Int(statement.integer(2)))
            let due = Timestamp(milliseconds: statement.integer(0))
            guard let destination = StoredText.destination(statement.text(3) ?? "") else {
                page.damaged[id] = "recipient \(key.position) has no readable destination"
                continue
            }
            switch query.admit(key, at: destination) {
            case .admitted: page.recipients.append(DueRecipient(key: key, destination: destination, due: due))
            case .overShare: page.overShare.insert(destination)
            case .known: break
            }
            page.last = DueCursor(due: due, key: key)
            rows += 1
            if page.recipients.count >= query.limit || rows >= Self.mostRowsLookedAt {
                page.isComplete = false
                break
            }
        }
        return page
    }

    /// Messages with recipients whose sender is yet to be notified.
    func awaitingNotification(after id: QueueID?, limit: Int) throws -> [QueueID] {
        self.notifying.bind(id?.rawValue ?? .min, at: 1)
        self.notifying.bind(Int64(limit), at: 2)
        var ids: [QueueID] = []
        while try self.notifying.step() { ids.append(QueueID(rawValue: self.notifying.integer(0))) }
        return ids
    }

    /// Reads a message.
    ///
    /// - Throws: `StoreError.damaged` for a row that cannot be decoded.
    func load(_ id: QueueID, positions: [Int]?, withContent: Bool) throws -> LoadedMessage? {
        self.message.bind(id.rawValue, at: 1)
        guard try self.message.step() else { return nil }
        defer { self.message.reset() }
        let flags = MessageFlags(rawValue: self.message.integer(1))
        guard let reversePath = ReversePath(self.message.text(3) ?? "?") else {
            throw StoreError.damaged(id, "the sender cannot be read")
        }
        var envelope = Envelope(reversePath: reversePath)
        envelope.body = flags.body
        envelope.isInternationalized = flags.contains(.internationalized)
        envelope.envelopeIdentifier = self.message.text(4)
        envelope.returnContent = flags.returnContent
        envelope.tlsRequirement = flags.tlsRequirement
        envelope.declaredSize = self.message.optionalInteger(5).map { Int(clamping: $0) }
        return LoadedMessage(
            id: id,
            envelope: envelope,
            arrival: Timestamp(milliseconds: self.message.integer(0)),
            content: try self.content(of: id, file: self.message.text(6), withContent: withContent),
            isNotification: flags.contains(.notification),
            recipients: try self.recipients(of: id, at: positions)
        )
    }

    private func content(of id: QueueID, file: String?, withContent: Bool) throws -> StoredContent {
        let size = Int(clamping: self.message.integer(2))
        if let file { return .file(name: file, size: size) }
        guard withContent else { return .inline(ByteBuffer()) }
        self.content.bind(id.rawValue, at: 1)
        guard try self.content.step() else { throw StoreError.damaged(id, "the content is missing") }
        defer { self.content.reset() }
        let buffer = self.content.blob(0)
        guard buffer.readableBytes == size else { throw StoreError.damaged(id, "the content is not whole") }
        return .inline(buffer)
    }

    private func recipients(of id: QueueID, at positions: [Int]?) throws -> [LoadedMessage.Recipient] {
        var result: [LoadedMessage.Recipient] = []
        guard let positions else {
            self.recipients.bind(id.rawValue, at: 1)
            defer { self.recipients.reset() }
            while try self.recipients.step() { result.append(try self.decodeRecipient(self.recipients, of: id)) }
            return result
        }
        defer { self.recipient.reset() }
        for position in positions {
            self.recipient.bind(id.rawValue, at: 1)
            self.recipient.bind(Int64(position), at: 2)
            if try self.recipient.step() { result.append(try self.decodeRecipient(self.recipient, of: id)) }
            self.recipient.reset()
        }
        return result
    }

    private func decodeRecipient(_ row: PreparedStatement, of id: QueueID) throws -> LoadedMessage.Recipient {
        let position = Int(clamping: row.integer(0))
        func damaged(_ what: String) -> StoreError { .damaged(id, "\(what) of recipient \(position) cannot be read") }
        guard let mailbox = Mailbox(row.text(4) ?? "") else { throw damaged("the address") }
        guard let destination = StoredText.destination(row.text(3) ?? "") else { throw damaged("the destination") }
        guard let state = RecipientState(rawValue: row.integer(1)) else { throw damaged("the state") }
        var recipient = EnvelopeRecipient(
            mailbox,
            originalRecipient: row.text(7),
            notify: row.optionalInteger(6).map { NotifyConditions(rawValue: UInt8(truncatingIfNeeded: $0)) },
            route: row.text(8)
        )
        if let owner = row.text(9) {
            guard let path = ReversePath(owner) else { throw damaged("the owner") }
            recipient.reversePath = path
        }
        return LoadedMessage.Recipient(
            queued: QueuedRecipient(index: position, recipient: recipient, attempts: Int(clamping: row.integer(5))),
            destination: destination,
            state: state,
            due: Timestamp(milliseconds: row.integer(2)),
            isWarned: row.integer(10) != 0,
            last: Self.attempt(time: row.optionalInteger(12), reply: row.text(13), host: row.text(14)),
            event: row.optionalInteger(11).flatMap(NotificationEvent.init)
        )
    }

    /// The last attempt; `nil` when there was none, or when its reply, which nothing depends on, cannot be read.
    static func attempt(time: Int64?, reply: String?, host: String?) -> AttemptRecord? {
        guard let time, let reply = reply.flatMap(StoredText.reply) else { return nil }
        return AttemptRecord(time: Timestamp(milliseconds: time), reply: reply, host: host)
    }
}
