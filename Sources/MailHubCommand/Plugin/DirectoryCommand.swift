import Administration
import ArgumentParser

/// The command `mailhub directory`.
struct DirectoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "directory",
        abstract: "Shows what the hub sees in the directory.",
        discussion: """
            EXAMPLE:
              mailhub directory test ann@example.org
            """,
        subcommands: [Test.self]
    )

    /// The command `mailhub directory test`.
    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "test",
            abstract: "Shows why mail for an address would be accepted or refused.",
            usage: "mailhub directory test <address> [--from <sender>] [--json]",
            discussion: """
                Asks the running hub: the server that answered, the filter that was sent, the entry, aliases, groups, the \
                route, and what the caches say.

                EXAMPLE:
                  mailhub directory test ann@example.org
                """
        )
        @OptionGroup var connection: ConnectionOptions

        @Argument(help: "The recipient.")
        var address: String

        @Option(help: ArgumentHelp("Whether this sender may write to it is shown too.", valueName: "sender"))
        var from: String?

        @Option(help: ArgumentHelp("The plugin's name in config.json.", valueName: "name"))
        var plugin = "LDAPRecipients"

        @Flag(help: "One line of JSON for each line.")
        var json = false

        func run() async throws {
            let request = PluginRequest(
                verb: "test",
                arguments: [self.address],
                options: self.from.map { ["from": $0] } ?? [:]
            )
            try await self.connection.run(request, of: self.plugin, json: self.json)
        }
    }
}
