import Administration
import ArgumentParser
import SMTP

/// The command `mailhub status`.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows how the running hub is doing.",
        discussion: """
            The status of the command is 0 when the hub answers and 69 when it does not, so that it can serve as a \
            health check.

            EXAMPLES:
              mailhub status
              mailhub status --json
            """
    )

    @OptionGroup var connection: ConnectionOptions

    @Flag(help: "One line of JSON.")
    var json = false

    func run() async throws {
        try await self.connection.ask(.status) { response in
            guard case .status(let status) = response else { return }
            if self.json { return try Output.json(status) }
            Output.print(StatusReport(status: status, now: Output.now, terminal: .standardOutput).lines)
        }
    }
}

/// The status for people.
struct StatusReport {
    let status: HubStatus
    let now: Timestamp
    let terminal: Terminal

    var lines: [String] {
        let status = self.status
        var fields = Table(columns: [.left(""), .left("")], hasHeader: false)
        fields.add(["hub", "\(status.hostname), MailHub \(status.version), process \(status.process)"])
        fields.add([
            "running since", "\(status.started) (\(HumanTime.relative(status.started.timestamp, to: self.now)))",
        ])
        for (index, listener) in status.listeners.enumerated() {
            fields.add([index == 0 ? "listening" : "", listener])
        }
        fields.add(["sessions", "\(status.sessions)"])
        fields.add(["deliveries", "\(status.deliveries)"])
        fields.add(["queue", self.queue])
        fields.add(["recipients", "\(status.queue.waitingRecipients) waiting, \(status.queue.heldRecipients) held"])
        guard !status.destinations.isEmpty else { return fields.lines(for: self.terminal) }
        var destinations = Table(
            columns: [.left("DESTINATION"), .right("RECIPIENTS"), .right("DELIVERIES"), .left("TROUBLE")]
        )
        for row in status.destinations {
            destinations.add([row.destination, "\(row.recipients)", "\(row.deliveries)", row.trouble ?? "-"])
        }
        return fields.lines(for: self.terminal) + [""] + destinations.lines(for: self.terminal)
    }

    private var queue: String {
        let queue = self.status.queue
        let count = "\(queue.messages) \(queue.messages == 1 ? "message" : "messages"), \(HumanSize.text(queue.octets))"
        guard let oldest = queue.oldest else { return count }
        return count + ", oldest \(HumanTime.relative(oldest.timestamp, to: self.now))"
    }
}
