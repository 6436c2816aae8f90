import ArgumentParser
import MailHub

/// The command `mailhub`.
@main
struct MailHubTool: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mailhub",
        abstract: "Runs an SMTP mail hub, and operates one that runs.",
        discussion: """
            serve, check and user read config.json; all others but version ask the running hub through its control socket.

            EXAMPLES:
              mailhub check --config config.json
              mailhub serve --config config.json
              mailhub queue list --state deferred --domain example.net

            EXIT STATUS:
              0   done
              1   problems were found, or the operation failed
              64  the command line is not understood
              69  no hub can be reached
            """,
        version: Release.version,
        subcommands: [
            Serve.self, Check.self, StatusCommand.self, QueueCommand.self, PluginCommand.self, GreylistCommand.self,
            DirectoryCommand.self, TLSCommand.self, UserCommand.self, Reload.self, VersionCommand.self,
        ]
    )
}

/// The command `mailhub version`.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version",
        abstract: "Shows the version of this executable.",
        discussion: """
            The version of a hub that runs may be another one: see `mailhub status`.

            EXAMPLE:
              mailhub version
            """
    )

    func run() { Output.print("MailHub \(Release.version)") }
}
