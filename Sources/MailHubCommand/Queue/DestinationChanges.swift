import Administration
import ArgumentParser

/// The command `mailhub queue suspend`.
struct QueueSuspend: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suspend",
        abstract: "Stops deliveries to destinations until they are resumed.",
        usage: "mailhub queue suspend <destination> ...",
        discussion: """
            A destination is named as `mailhub status` shows it: a route, or for routes by MX route/domain. Deliveries under \
            way end as they end. New mail for the destination is taken and waits; nothing of it expires meanwhile. A restart \
            of the hub ends the suspension.

            EXAMPLES:
              mailhub queue suspend mailstore
              mailhub queue suspend internet/example.net internet/example.com
            """
    )

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: ArgumentHelp("Where nothing is to be delivered.", valueName: "name"))
    var destination: [String]

    func run() async throws {
        try await self.connection.change(
            .queueSuspend(destinations: self.destination),
            named: self.destination.count,
            verb: "suspended",
            complaint: "are suspended already"
        )
    }
}

/// The command `mailhub queue resume`.
struct QueueResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Lets deliveries to destinations go on.",
        usage: "mailhub queue resume <destination> ...",
        discussion: """
            Ends a suspension, and the pause that follows failures as well: what is due is tried at once. Messages that wait \
            for a later attempt still do: see `mailhub queue retry`.

            EXAMPLES:
              mailhub queue resume mailstore
              mailhub queue resume internet/example.net
            """
    )

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: ArgumentHelp("Where deliveries may go on.", valueName: "name"))
    var destination: [String]

    func run() async throws {
        try await self.connection.change(
            .queueResume(destinations: self.destination),
            named: self.destination.count,
            verb: "resumed",
            complaint: "are neither suspended nor paused"
        )
    }
}

extension ConnectionOptions {
    /// Has destinations changed and says how many were.
    ///
    /// - Throws: also when fewer were changed than were named.
    fileprivate func change(_ request: ControlRequest, named: Int, verb: String, complaint: String) async throws {
        var changed = 0
        try await self.ask(request) { response in
            if case .changed(let count) = response { changed = count }
        }
        Output.print("\(changed) \(changed == 1 ? "destination" : "destinations") \(verb)")
        if changed < named {
            Output.complain("\(named - changed) of \(named) \(complaint)")
            throw ExitCode.failure
        }
    }
}
