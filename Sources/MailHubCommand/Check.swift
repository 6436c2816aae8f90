import ArgumentParser
import MailHub

/// The command `mailhub check`.
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reads config.json as the hub would, and lists all that is wrong with it.",
        discussion: """
            Nothing is started and nothing is changed, so this is safe beside a hub that runs. Each problem names its \
            line and its JSON path, and how to mend it. The status is 0 when there is none, and 1 otherwise.

            EXAMPLE:
              mailhub check --config config.json && mailhub reload
            """
    )

    @Option(help: ArgumentHelp("The configuration.", valueName: "file"))
    var config = "config.json"

    func run() async throws {
        let problems = Hub.check(configurationPath: self.config, plugins: registeredPlugins)
        guard !problems.isEmpty else { return Output.print("\(self.config): no problems") }
        Output.print(problems.map { String(describing: $0) })
        Output.complain(problems.count == 1 ? "1 problem" : "\(problems.count) problems")
        throw ExitCode.failure
    }
}
