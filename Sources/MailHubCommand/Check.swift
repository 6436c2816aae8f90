import ArgumentParser
import MailHub
import MailHubPlugin

/// The command `mailhub check`.
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reads config.json as the hub would, and lists all that is wrong with it.",
        discussion: """
            Nothing is started and nothing is changed, so this is safe beside a hub that runs. Each problem names its \
            line and its JSON path, and how to mend it. The status is 0 when there is none, and 1 otherwise. Where there \
            is none, it shows which plugin runs at which stage, and notes what is allowed and yet seldom meant, such as \
            plugins that change the same thing.

            EXAMPLE:
              mailhub check --config config.json && mailhub reload
            """
    )

    /// A text as a zone file has it: strings of at most 255 octets (RFC 1035 section 3.3), which readers join.
    private static func strings(_ text: String) -> String {
        var strings: [Substring] = []
        var rest = text[...]
        while !rest.isEmpty {
            strings.append(rest.prefix(250))
            rest = rest.dropFirst(250)
        }
        return strings.map { "\"\($0)\"" }.joined(separator: " ")
    }

    @Option(help: ArgumentHelp("The configuration.", valueName: "file"))
    var config = "config.json"

    func run() async throws {
        let problems = Hub.check(configurationPath: self.config, plugins: registeredPlugins)
        guard problems.isEmpty else {
            Output.print(problems.map { String(describing: $0) })
            Output.complain(problems.count == 1 ? "1 problem" : "\(problems.count) problems")
            throw ExitCode.failure
        }
        Output.print("\(self.config): no problems")
        let overview = try Hub.overview(configurationPath: self.config, plugins: registeredPlugins)
        for doubt in overview.doubts { Output.print("note: \(doubt)") }
        for record in overview.records { Output.print("publish: \(record.name). TXT \(Self.strings(record.text))") }
        guard !overview.rows.isEmpty else { return }
        var table = Table(columns: [.left("STAGE"), .left("PLUGINS, IN ORDER")])
        for row in overview.rows { table.add([row.stage.rawValue, row.plugins.joined(separator: ", ")]) }
        Output.print([""] + table.lines(for: .standardOutput))
        for conflict in overview.conflicts {
            let names = conflict.plugins.joined(separator: " and ")
            Output.print("note: \(names) both change \(conflict.target); the later one wins")
        }
    }
}
