import Administration
import ArgumentParser
import SMTP

/// The command `mailhub queue show`.
struct QueueShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows all that is known about queued messages.",
        discussion: """
            Recipients that were delivered, relayed or returned are not queued any more and not shown: the log tells \
            what became of them.

            EXAMPLES:
              mailhub queue show 1kq8z0v4c0000
              mailhub queue show --json 1kq8z0v4c0000 | jq .recipients
            """
    )

    @OptionGroup var connection: ConnectionOptions

    @Flag(help: "One line of JSON for each message.")
    var json = false

    @Argument(help: "Messages by name.")
    var id: [String]

    func run() async throws {
        for (index, id) in self.id.enumerated() {
            try await self.connection.ask(.queueShow(id: id)) { response in
                guard case .entry(let entry) = response else { return }
                if self.json { return try Output.json(entry) }
                Output.print((index > 0 ? [""] : []) + EntryReport(entry: entry, now: Output.now).lines)
            }
        }
    }
}

/// One message for people.
struct EntryReport {
    let entry: QueueEntry
    let now: Timestamp

    var lines: [String] {
        let entry = self.entry
        var fields = Table(columns: [.left(""), .left("")], hasHeader: false)
        fields.add(["message", entry.id])
        fields.add(["state", entry.state.rawValue])
        if let reason = entry.reason { fields.add(["reason", reason]) }
        fields.add(["sender", "<\(entry.sender)>"])
        fields.add(["size", HumanSize.text(entry.size)])
        fields.add(["arrived", self.text(entry.arrival)])
        fields.add(["recipients", "\(entry.recipientCount)"])
        var lines = fields.lines(for: Terminal(width: nil))
        for recipient in entry.recipients {
            lines += ["", "<\(Terminal.harmless(recipient.address))>"] + self.lines(of: recipient)
        }
        let hidden = entry.recipientCount - entry.recipients.count
        if hidden > 0 { lines += ["", "and \(hidden) more"] }
        return lines
    }

    private func lines(of recipient: RecipientEntry) -> [String] {
        var fields = Table(columns: [.left(""), .left("")], hasHeader: false)
        fields.add(["    destination", recipient.destination])
        fields.add(["    attempts", "\(recipient.attempts)"])
        fields.add(["    next attempt", recipient.nextAttempt.map { self.text($0) } ?? "-"])
        fields.add(["    last reply", recipient.lastReply ?? "-"])
        return fields.lines(for: Terminal(width: nil))
    }

    private func text(_ instant: ControlInstant) -> String {
        "\(instant) (\(HumanTime.relative(instant.timestamp, to: self.now)))"
    }
}
