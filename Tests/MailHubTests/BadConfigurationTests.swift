import Foundation
import MailHubPlugin
import Testing

@testable import MailHub

/// Each file `name.json` in Tests/BadConfigurations is wrong; `name.expected` beside it is what the hub says about it.
///
/// With `MAILHUB_RECORD=1` in the environment the expectations are written instead: read them before they are committed.
@Suite("Wrong configurations are told with place, JSON path and fix")
struct BadConfigurationTests {
    private static let folder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "BadConfigurations")

    static let names: [String] =
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
        .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()

    @Test func `The configurations are there, each with its expectation`() throws {
        #expect(Self.names.count > 90)
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        let expected = files.filter { $0.hasSuffix(".expected") }.map { String($0.dropLast(9)) }.sorted()
        #expect(expected == Self.names)
    }

    @Test(arguments: names)
    func problems(of name: String) throws {
        let text = Array(try Data(contentsOf: Self.folder.appending(path: "\(name).json")))
        let said: String
        do {
            _ = try HubConfigurationReader.read(text, file: "config.json", folder: ".", registry: .shipped)
            Issue.record("the configuration is accepted")
            return
        } catch {
            #expect(!error.problems.isEmpty)
            #expect(error.problems.map(\.position) == error.problems.map(\.position).sorted())
            for problem in error.problems {
                #expect(problem.path.hasPrefix("$") && !problem.message.isEmpty && !problem.fix.isEmpty)
                #expect(!"\(problem.message)\(problem.fix)".contains { $0.isNewline })
            }
            said = error.description + "\n"
        }
        let file = Self.folder.appending(path: "\(name).expected")
        if ProcessInfo.processInfo.environment["MAILHUB_RECORD"] != nil { try Data(said.utf8).write(to: file) }
        #expect(said == (try String(contentsOf: file, encoding: .utf8)))
    }
}
