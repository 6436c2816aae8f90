import Administration
import ArgumentParser

/// The command `mailhub greylist`.
struct GreylistCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "greylist",
        abstract: "Shows and changes what the Greylisting plugin remembers.",
        discussion: """
            EXAMPLES:
              mailhub greylist list
              mailhub greylist pass example.net --for 1h
            """,
        subcommands: [List.self, Pass.self, Remove.self]
    )

    /// Which plugin is meant.
    struct Options: ParsableArguments {
        @Option(help: ArgumentHelp("The plugin's name in config.json.", valueName: "name"))
        var plugin = "Greylisting"

        @Flag(help: "One line of JSON for each row.")
        var json = false
    }

    /// The command `mailhub greylist list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "Shows who waits, who has passed, and who is let through.",
            usage: "mailhub greylist list [<text>] [--limit <number>] [--plugin <name>]",
            discussion: """
                EXAMPLES:
                  mailhub greylist list
                  mailhub greylist list example.net
                """
        )
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var options: Options

        @Argument(help: "Only entries that contain this text.")
        var text: String?

        @Option(help: ArgumentHelp("How many at most.", valueName: "number"))
        var limit = 1000

        func run() async throws {
            let request = PluginRequest(
                verb: "list",
                arguments: self.text.map { [$0] } ?? [],
                options: ["limit": "\(self.limit)"]
            )
            try await self.connection.run(request, of: self.options.plugin, json: self.options.json)
        }
    }

    /// The command `mailhub greylist pass`.
    struct Pass: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "pass",
            abstract: "Lets mail of a sender domain through for some time.",
            usage: "mailhub greylist pass <domain> [--for <duration>] [--plugin <name>]",
            discussion: """
                For mail that somebody waits for: a code, a password. Senders that tried before need not wait either.

                EXAMPLE:
                  mailhub greylist pass example.net --for 1h
                """
        )
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var options: Options

        @Argument(help: "The domain of the sender's address.")
        var domain: String

        @Option(name: .customLong("for"), help: ArgumentHelp("How long: 30m, 1h, 7d.", valueName: "duration"))
        var duration = "1h"

        func run() async throws {
            let request = PluginRequest(verb: "pass", arguments: [self.domain], options: ["for": self.duration])
            try await self.connection.run(request, of: self.options.plugin, json: self.options.json)
        }
    }

    /// The command `mailhub greylist remove`.
    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove",
            abstract: "Forgets an entry, named as `list` shows it.",
            usage: "mailhub greylist remove <key> ... [--plugin <name>] [--json]",
            discussion: """
                EXAMPLE:
                  mailhub greylist remove pass example.net
                """
        )
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var options: Options

        @Argument(help: "The entry's key, spaces and all.")
        var key: [String]

        func run() async throws {
            let request = PluginRequest(verb: "remove", arguments: self.key)
            try await self.connection.run(request, of: self.options.plugin, json: self.options.json)
        }
    }
}
