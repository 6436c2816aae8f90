import ArgumentParser
import MailHub

/// The command `mailhub serve`.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the hub.",
        discussion: """
            Runs in the foreground until it is told to end by SIGTERM or SIGINT; then it takes no new connections, lets \
            sessions finish their transaction and deliveries their attempt, and ends with status 0. SIGHUP reads \
            config.json again, like `mailhub reload`. The log goes to where config.json says: standard error by default.

            EXAMPLE:
              mailhub serve --config /etc/mailhub/config.json
            """
    )

    @Option(help: ArgumentHelp("The configuration.", valueName: "file"))
    var config = "config.json"

    func run() async throws {
        do {
            try await Hub.run(configurationPath: self.config, plugins: registeredPlugins)
        } catch let error as ConfigurationProblems {
            let count = error.problems.count
            Output.complain(
                "the hub does not start: \(count == 1 ? "1 problem" : "\(count) problems")\n\(error.description)"
            )
            throw ExitCode.failure
        } catch let error as HubFailure {
            Output.complain(error.description)
            throw ExitCode.failure
        }
    }
}
