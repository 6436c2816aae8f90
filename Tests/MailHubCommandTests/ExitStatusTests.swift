import Foundation
import TestSupport
import Testing

@Suite("Exit statuses, and what is said on which output")
struct ExitStatusTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var arguments: [String], status: Int32, output = "", complaints = ""
        var testDescription: String { self.arguments.joined(separator: " ") }
    }

    private static func run(_ arguments: [String], in folder: URL) throws -> Ending {
        try Ending.of(HubProcess.executable, arguments, folder: folder, together: false)
    }

    private static let problem = """
        bad.json:1:44: $.listeners[0].name: missing
            fix: add "name"

        """

    @Test(arguments: [
        Row(arguments: ["check"], status: 0, output: "config.json: no problems\n"),
        Row(arguments: ["check", "--config", "./config.json"], status: 0, output: "./config.json: no problems\n"),
        Row(
            arguments: ["check", "--config", "bad.json"],
            status: 1,
            output: problem,
            complaints: "mailhub: 1 problem\n"
        ),
        Row(
            arguments: ["check", "--config", "none.json"],
            status: 1,
            output: """
                none.json:1:1: $: cannot read the configuration: there is no such file
                    fix: name a file that exists and is readable by this user: --config PATH

                """,
            complaints: "mailhub: 1 problem\n"
        ),
        Row(
            arguments: ["serve", "--config", "bad.json"],
            status: 1,
            complaints: "mailhub: the hub does not start: 1 problem\n\(problem)"
        ),
        Row(
            arguments: ["status"],
            status: 69,
            complaints: "mailhub: no hub answers on FOLDER/var/run/control.sock: is it running, and is this its "
                + "control socket?\n"
        ),
        Row(
            arguments: ["queue", "list", "--config", "none.json"],
            status: 69,
            complaints: "mailhub: cannot read none.json: no such file, or permission denied; name the control socket "
                + "with --socket\n"
        ),
        Row(
            arguments: ["reload", "--socket", "none.sock"],
            status: 69,
            complaints: "mailhub: no hub answers on none.sock: is it running, and is this its control socket?\n"
        ),
        Row(arguments: ["version"], status: 0, output: "MailHub 0.1.0\n"),
        Row(arguments: ["--version"], status: 0, output: "0.1.0\n"),
        Row(
            arguments: ["queue", "delete", "--sender", "x"],
            status: 64,
            complaints: """
                Error: To be sure: name each message, or add --all to remove all that match.
                Usage: mailhub queue delete <id> ...
                       mailhub queue delete --all [<filter> ...]
                  See 'mailhub queue delete --help' for more information.

                """
        ),
    ])
    func ends(row: Row) async throws {
        let ending = try await onThread {
            let folder = try TemporaryDirectory()
            let good = #"{"hostname":"hub.example.org","listeners":[{"name":"mx","address":"127.0.0.1"}]}"#
            let bad = #"{"hostname":"hub.example.org","listeners":[{ "address": "127.0.0.1" }]}"#
            try Data(good.utf8).write(to: folder.url.appending(path: "config.json"))
            try Data(bad.utf8).write(to: folder.url.appending(path: "bad.json"))
            let ending = try Self.run(row.arguments, in: folder.url)
            let path = folder.url.standardizedFileURL.path
            return Ending(
                status: ending.status,
                output: ending.output.replacing(path, with: "FOLDER"),
                complaints: ending.complaints.replacing(path, with: "FOLDER")
            )
        }
        #expect(ending == Ending(status: row.status, output: row.output, complaints: row.complaints))
    }

    @Test func `The configuration of the repository has no problems`() async throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let ending = try await onThread { try Self.run(["check"], in: root) }
        // What follows is the table of its plugins.
        #expect(ending.output.hasPrefix("config.json: no problems\n\nSTAGE"))
        #expect(ending.status == 0 && ending.complaints.isEmpty)
    }
}
