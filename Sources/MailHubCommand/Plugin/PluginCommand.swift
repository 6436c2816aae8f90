import Administration
import ArgumentParser

/// The command `mailhub plugin`.
struct PluginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plugin",
        abstract: "Shows the plugins of the running hub, asks them things, and begins new ones.",
        discussion: """
            EXAMPLES:
              mailhub plugin new HouseRules
              mailhub plugin list
              mailhub plugin run Greylisting list
            """,
        subcommands: [PluginList.self, PluginRun.self, PluginNew.self]
    )
}

/// The command `mailhub plugin list`.
struct PluginList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Shows the plugins in the order in which they are asked, and how they fare.",
        discussion: """
            A plugin that fails again and again is not asked for a while: then STATE says paused, and its failure policy \
            answers for it. --json shows each plugin's own counters and the verbs that `plugin run` takes, too.

            EXAMPLES:
              mailhub plugin list
              mailhub plugin list --json
            """
    )

    @OptionGroup var connection: ConnectionOptions

    @Flag(help: "One line of JSON for each plugin.")
    var json = false

    func run() async throws {
        var entries: [PluginEntry] = []
        try await self.connection.ask(.pluginList) { response in
            if case .plugin(let entry) = response { entries.append(entry) }
        }
        if self.json { return try entries.forEach { try Output.json($0) } }
        guard !entries.isEmpty else { return Output.print("no plugins") }
        var table = Table(
            columns: [
                .left("NAME"), .left("STATE"), .right("CALLS"), .right("FAILED"), .right("TIMED OUT"),
                .left("ON FAILURE"),
                .left("STAGES"),
            ]
        )
        for entry in entries {
            table.add([
                entry.name, entry.isPaused ? "paused" : "ok", "\(entry.calls)", "\(entry.failures)",
                "\(entry.timeouts)",
                entry.onFailure, entry.stages.joined(separator: ", "),
            ])
        }
        Output.print(table.lines(for: .standardOutput))
    }
}

/// The command `mailhub plugin run`.
struct PluginRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Asks or tells a plugin something.",
        usage: """
            mailhub plugin run <name> <verb> [<word> ...] [--<option> <value> ...]
            """,
        discussion: """
            What a plugin understands is in its README, and in `mailhub plugin list --json`.

            EXAMPLES:
              mailhub plugin run Greylisting list
              mailhub plugin run Greylisting pass example.net --for 1h
            """
    )

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The plugin's name in config.json.")
    var name: String

    @Argument(help: "What to do.")
    var verb: String

    @Argument(
        parsing: .allUnrecognized,
        help: ArgumentHelp("What the verb takes, and its options: --limit 5 or --limit=5.", valueName: "word")
    )
    var words: [String] = []

    @Flag(help: "One line of JSON for each row.")
    var json = false

    func validate() throws { _ = try self.request() }

    /// What the plugin is asked: words that begin with `--` are its options.
    func request() throws -> PluginRequest {
        var request = PluginRequest(verb: self.verb, arguments: [], options: [:])
        var words = self.words[...]
        while let word = words.popFirst() {
            guard word.hasPrefix("--") else {
                request.arguments.append(word)
                continue
            }
            let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count == 2 ? String(parts[1]) : words.popFirst()
            guard let name = parts.first, !name.isEmpty, let value else {
                throw ValidationError("\(word): write \(word) and its value behind it")
            }
            request.options[String(name)] = value
        }
        return request
    }

    func run() async throws {
        try await self.connection.run(try self.request(), of: self.name, json: self.json)
    }
}

extension ConnectionOptions {
    /// Has a plugin do something, and prints its answer.
    func run(_ request: PluginRequest, of plugin: String, json: Bool) async throws {
        try await self.ask(.pluginRun(name: plugin, request: request)) { response in
            guard case .answer(let answer) = response else { return }
            if json { return try answer.printJSON() }
            if !answer.columns.isEmpty {
                var table = Table(columns: answer.columns.map { .left($0.uppercased()) })
                for row in answer.rows { table.add(row.map { Terminal.harmless($0) }) }
                Output.print(table.lines(for: .standardOutput))
            }
            Output.print(answer.lines.map { Terminal.harmless($0) })
        }
    }
}

extension PluginAnswer {
    /// Each row as an object of its columns; lines as `{"line": "..."}`.
    fileprivate func printJSON() throws {
        for row in self.rows {
            try Output.json(Dictionary(zip(self.columns, row)) { first, _ in first })
        }
        for line in self.lines { try Output.json(["line": line]) }
    }
}
