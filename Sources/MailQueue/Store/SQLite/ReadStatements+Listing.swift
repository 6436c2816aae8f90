import GRDB
import SMTP

/// Listings for the operator: in GRDB's terms, since they are rare and their conditions vary.
extension ReadStatements {
    /// One page of the messages that match.
    func list(_ filter: QueueFilter, after id: QueueID?, limit: Int) throws -> QueuePage {
        let ids = try self.ids(filter, after: id, limit: limit)
        return QueuePage(
            messages: try ids.compactMap { try self.show($0) },
            next: ids.count == limit ? ids.last : nil
        )
    }

    /// The names of the messages that match, oldest first.
    func ids(_ filter: QueueFilter, after id: QueueID?, limit: Int) throws -> [QueueID] {
        var conditions = ["m.id > ?"]
        var arguments: StatementArguments = [id?.rawValue ?? Int64.min]
        if let sender = filter.sender {
            conditions.append("m.sender LIKE ? ESCAPE '\\'")
            arguments += ["%\(Self.escaped(sender))%"]
        }
        var recipientConditions: [String] = []
        if let state = filter.state {
            recipientConditions.append("r.state = ?")
            arguments += [state.rawValue]
        }
        if let text = filter.recipient {
            recipientConditions.append("r.address LIKE ? ESCAPE '\\'")
            arguments += ["%\(Self.escaped(text))%"]
        }
        if let text = filter.destination.map(Self.escaped) {
            recipientConditions.append(
                "(\(Array(repeating: "r.destination LIKE ? ESCAPE '\\'", count: 5).joined(separator: " OR ")))"
            )
            // Behind a space, what the sender wants of the connections.
            arguments += [text, "\(text)/%", "%/\(text)", "\(text) %", "%/\(text) %"]
        }
        if !recipientConditions.isEmpty {
            let all = recipientConditions.joined(separator: " AND ")
            conditions.append("EXISTS (SELECT 1 FROM recipient r WHERE r.message = m.id AND \(all))")
        }
        arguments += [limit]
        return try Int64.fetchAll(
            self.database,
            sql: "SELECT m.id FROM message m WHERE \(conditions.joined(separator: " AND ")) ORDER BY m.id LIMIT ?",
            arguments: arguments
        ).map(QueueID.init(rawValue:))
    }

    /// One message, as stored.
    func show(_ id: QueueID) throws -> QueueListing? {
        guard
            let message = try Row.fetchOne(
                self.database,
                sql: "SELECT arrival, flags, size, sender, hold, damage FROM message WHERE id = ?",
                arguments: [id.rawValue]
            )
        else { return nil }
        let recipients = try Row.fetchAll(
            self.database,
            sql: """
                SELECT position, address, destination, state, attempts, due, last_time, last_reply, last_host
                FROM recipient WHERE message = ? ORDER BY position LIMIT \(QueueListing.shownRecipients)
                """,
            arguments: [id.rawValue]
        )
        let count = try Int.fetchOne(
            self.database,
            sql: "SELECT count(*) FROM recipient WHERE message = ?",
            arguments: [id.rawValue]
        )
        return QueueListing(
            id: id,
            sender: Self.text(message, "sender") ?? "?",
            arrival: Timestamp(milliseconds: Self.integer(message, "arrival") ?? 0),
            size: Int(clamping: Self.integer(message, "size") ?? 0),
            holdReason: Self.text(message, "hold"),
            damage: Self.text(message, "damage"),
            isNotification: MessageFlags(rawValue: Self.integer(message, "flags") ?? 0).contains(.notification),
            recipients: recipients.map(Self.recipient),
            recipientCount: count ?? recipients.count
        )
    }

    /// Counts by state and destination.
    func statistics() throws -> QueueStatistics {
        var statistics = QueueStatistics()
        if let row = try Row.fetchOne(
            self.database,
            sql: "SELECT count(*) AS messages, sum(size) AS octets, min(arrival) AS oldest FROM message"
        ) {
            statistics.messages = row["messages"] ?? 0
            statistics.octets = row["octets"] ?? 0
            statistics.oldest = (row["oldest"] as Int64?).map { Timestamp(milliseconds: $0) }
        }
        for row in try Row.fetchAll(self.database, sql: "SELECT state, count(*) AS n FROM recipient GROUP BY state") {
            guard let state = RecipientState(rawValue: row["state"]) else { continue }
            statistics.recipients[state] = row["n"]
        }
        for row in try Row.fetchAll(
            self.database,
            sql: "SELECT destination, count(*) AS n FROM recipient GROUP BY destination ORDER BY n DESC LIMIT 1000"
        ) {
            statistics.destinations[Self.shown(row["destination"])] = row["n"]
        }
        return statistics
    }

    private static func recipient(_ row: Row) -> QueueListing.Recipient {
        QueueListing.Recipient(
            position: Int(clamping: self.integer(row, "position") ?? 0),
            address: self.text(row, "address") ?? "?",
            destination: self.shown(self.text(row, "destination") ?? "?"),
            state: RecipientState(rawValue: self.integer(row, "state") ?? -1) ?? .damaged,
            attempts: Int(clamping: self.integer(row, "attempts") ?? 0),
            due: Timestamp(milliseconds: self.integer(row, "due") ?? 0),
            last: self.attempt(
                time: self.integer(row, "last_time"),
                reply: self.text(row, "last_reply"),
                host: self.text(row, "last_host")
            )
        )
    }

    // GRDB traps on a value that it cannot convert; a damaged row must be listed all the same.

    private static func text(_ row: Row, _ column: String) -> String? {
        String.fromDatabaseValue(row[column] as DatabaseValue)
    }

    private static func integer(_ row: Row, _ column: String) -> Int64? {
        Int64.fromDatabaseValue(row[column] as DatabaseValue)
    }

    /// As `Destination.description` has it.
    private static func shown(_ text: String) -> String { StoredText.destination(text)?.description ?? text }

    private static func escaped(_ text: String) -> String {
        String(text.flatMap { "\\%_".contains($0) ? ["\\", $0] : [$0] })
    }
}
