import Administration
import ArgumentParser

/// The command `mailhub queue retry`.
struct QueueRetry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Makes waiting messages due now.",
        usage: Usage.of(
            "mailhub queue retry <id> ...",
            "mailhub queue retry <filter> ...",
            "mailhub queue retry --all [<filter> ...]"
        ),
        discussion: """
            Throttles and back-off of the destination still apply. Held messages stay held.

            EXAMPLES:
              mailhub queue retry 1kq8z0v4c0000
              mailhub queue retry --destination internet/example.net
              mailhub queue retry --all
            """
    )

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var selection: SelectionOptions

    func validate() throws { _ = try self.selection.selector() }

    func run() async throws {
        let request = ControlRequest.queueRetry(selector: try self.selection.selector())
        try await self.connection.change(request, named: self.selection.id.count, verb: "due now")
    }
}

/// The command `mailhub queue hold`.
struct QueueHold: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold",
        abstract: "Keeps messages from being delivered until they are released.",
        usage: Usage.of(
            "mailhub queue hold <id> ... [--reason <text>]",
            "mailhub queue hold <filter> ... [--reason <text>]",
            "mailhub queue hold --all [<filter> ...] [--reason <text>]"
        ),
        discussion: """
            Attempts under way end as they end. Held messages do not expire.

            EXAMPLES:
              mailhub queue hold --sender newsletter@ --reason "asking the owner"
              mailhub queue hold 1kq8z0v4c0000 1kq8z0v4c0001
            """
    )

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var selection: SelectionOptions

    @Option(help: ArgumentHelp("Shown in listings.", valueName: "text"))
    var reason = "held by the operator"

    func validate() throws { _ = try self.selection.selector() }

    func run() async throws {
        let request = ControlRequest.queueHold(selector: try self.selection.selector(), reason: self.reason)
        try await self.connection.change(request, named: self.selection.id.count, verb: "held")
    }
}

/// The command `mailhub queue release`.
struct QueueRelease: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "Lets held messages be delivered: they are due now.",
        usage: Usage.of(
            "mailhub queue release <id> ...",
            "mailhub queue release <filter> ...",
            "mailhub queue release --all [<filter> ...]"
        ),
        discussion: """
            Damaged messages are given another chance, too.

            EXAMPLES:
              mailhub queue release 1kq8z0v4c0000
              mailhub queue release --state held
            """
    )

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var selection: SelectionOptions

    func validate() throws { _ = try self.selection.selector() }

    func run() async throws {
        let request = ControlRequest.queueRelease(selector: try self.selection.selector())
        try await self.connection.change(request, named: self.selection.id.count, verb: "released")
    }
}

/// The command `mailhub queue delete`.
struct QueueDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Removes messages for good; nobody is notified.",
        usage: Usage.of(
            "mailhub queue delete <id> ...",
            "mailhub queue delete --all [<filter> ...]"
        ),
        discussion: """
            There is no question and no way back: look with `mailhub queue list` first. A filter alone is not enough; \
            add --all to remove all that match.

            EXAMPLES:
              mailhub queue delete 1kq8z0v4c0000
              mailhub queue delete --all --sender spammer@example.com
            """
    )

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var selection: SelectionOptions

    func validate() throws { _ = try self.selection.selector(filterSuffices: false) }

    func run() async throws {
        let request = ControlRequest.queueDelete(selector: try self.selection.selector(filterSuffices: false))
        try await self.connection.change(request, named: self.selection.id.count, verb: "deleted")
    }
}

/// Usage lines by hand: those that the argument parser makes are longer than a terminal is wide.
enum Usage {
    /// One way to use a command a line.
    static func of(_ forms: String...) -> String { forms.joined(separator: "\n") }
}

extension ConnectionOptions {
    /// Has messages changed and says how many were.
    ///
    /// - Throws: also when fewer were changed than were named.
    fileprivate func change(_ request: ControlRequest, named: Int, verb: String) async throws {
        var changed = 0
        try await self.ask(request) { response in
            if case .changed(let count) = response { changed = count }
        }
        Output.print("\(changed) \(changed == 1 ? "message" : "messages") \(verb)")
        if changed < named {
            Output.complain("\(named - changed) of \(named) are not in the queue, or need no change")
            throw ExitCode.failure
        }
    }
}
