import Administration
import ArgumentParser
import SMTP

/// The command `mailhub queue list`.
struct QueueList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists queued messages, oldest first.",
        usage: "mailhub queue list [<filter> ...] [--limit <n>] [--after <id>] [--json]",
        discussion: """
            A message is listed when it matches all filters that are given. Each line shows the first recipient and what \
            it waits for; `mailhub queue show` shows the rest. On a terminal, lines are cut to its width; in a file or a \
            pipe they are not. With --json each line is one message, times in ISO 8601.

            EXAMPLES:
              mailhub queue list
              mailhub queue list --state deferred --domain example.net --limit 20
              mailhub queue list --json | jq -r 'select(.size > 1000000) | .id'
            """
    )

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup(title: "Filter") var filters: FilterOptions

    @Option(help: ArgumentHelp("At most this many.", valueName: "n"))
    var limit: Int?

    @Option(help: ArgumentHelp("Go on after this message.", valueName: "id"))
    var after: String?

    @Flag(help: "One line of JSON for each message.")
    var json = false

    func validate() throws {
        if let limit = self.limit, limit < 1 { throw ValidationError("--limit must be at least 1.") }
    }

    func run() async throws {
        let terminal = Terminal.standardOutput
        var table = QueueTable(now: Output.now)
        var count = 0
        let request = ControlRequest.queueList(filter: self.filters.filter, limit: self.limit, after: self.after)
        let end = try await self.connection.ask(request) { response in
            guard case .entry(let entry) = response else { return }
            count += 1
            if self.json { return try Output.json(entry) }
            table.add(entry)
            if table.rows.isFull { Output.print(table.rows.takeLines(for: terminal)) }
        }
        guard !self.json else { return }
        Output.print(table.rows.takeLines(for: terminal))
        let more = end.next.map { "; go on with --after \(Terminal.harmless($0))" } ?? ""
        Output.print((count == 1 ? "1 message" : "\(count) messages") + more)
    }
}

/// A listing for people: a line for each message.
struct QueueTable {
    let now: Timestamp
    var rows = Table(
        columns: [
            .left("ID"), .left("STATE"), .right("AGE"), .right("SIZE"), .left("SENDER"), .left("RECIPIENT"),
            .left("NEXT"), .left("WHY"),
        ]
    )

    init(now: Timestamp) { self.now = now }

    /// Adds a message: of its recipients the one that is tried next, and how many others there are.
    mutating func add(_ entry: QueueEntry) {
        let shown = entry.recipients.min { left, right in
            (left.nextAttempt?.timestamp.milliseconds ?? .max) < (right.nextAttempt?.timestamp.milliseconds ?? .max)
        }
        let others = max(0, entry.recipientCount - 1)
        self.rows.add([
            entry.id,
            entry.state.rawValue,
            HumanTime.text(self.now - entry.arrival.timestamp),
            HumanSize.text(entry.size),
            entry.sender.isEmpty ? "<>" : entry.sender,
            (shown?.address ?? "-") + (others > 0 ? " +\(others)" : ""),
            // What is due waits for its turn, or for its destination.
            shown?.nextAttempt.map { HumanTime.relative(max($0.timestamp, self.now), to: self.now) } ?? "-",
            entry.reason ?? shown?.lastReply ?? "-",
        ])
    }
}
