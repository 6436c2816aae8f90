import ArgumentParser
import Testing

@testable import MailHubCommand

@Suite("Help")
struct HelpTests {
    /// All commands, those with subcommands included.
    static let commands = commands(below: MailHubTool.self)

    private static func commands(below command: any ParsableCommand.Type) -> [any ParsableCommand.Type] {
        [command] + command.configuration.subcommands.flatMap { self.commands(below: $0) }
    }

    @Test(arguments: commands.indices)
    func `Each command explains itself on 80 columns, with examples`(index: Int) {
        let command = Self.commands[index]
        let lines = MailHubTool.helpMessage(for: command, columns: 80).split(separator: "\n")
        #expect(lines.filter { $0.count > 80 } == [])
        #expect(lines.contains { $0.hasPrefix("EXAMPLE") })
        #expect(lines.contains { $0.hasPrefix("USAGE: mailhub") })
        #expect(command.configuration.abstract.hasSuffix("."))
    }

    @Test func `All commands are there`() {
        #expect(Self.commands.count == 25)
    }

    @Test(arguments: commands.indices)
    func `The examples are understood`(index: Int) throws {
        let lines = MailHubTool.helpMessage(for: Self.commands[index], columns: 200).split(separator: "\n")
        let examples = lines.filter { $0.hasPrefix("  mailhub ") }
        #expect(!examples.isEmpty)
        for example in examples {
            // What belongs to the shell ends the command; quotes hold words together.
            let command = example.prefix { $0 != "|" && $0 != "&" }
            var words: [String] = []
            for (index, part) in command.split(separator: "\"", omittingEmptySubsequences: false).enumerated() {
                words += index % 2 == 1 ? [String(part)] : part.split(separator: " ").map { String($0) }
            }
            #expect(throws: Never.self, "\(example)") { try MailHubTool.parseAsRoot(Array(words.dropFirst())) }
        }
    }
}
