import Foundation
import Testing

/// What is written for plugin authors keeps up with the code.
@Suite("Every stage has its row, its article and its test")
struct PluginDocumentationTests {
    static let catalog = repository.appending(path: "Sources/MailHubPlugin/MailHubPlugin.docc")

    /// A case of `Stage`, with the protocol that its comment names.
    struct StageEntry: CustomTestStringConvertible, Sendable {
        let name: String
        let hook: String
        var testDescription: String { self.name }
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: repository.appending(path: path), encoding: .utf8)
    }

    static func stages() throws -> [StageEntry] {
        let source = try Self.text("Sources/MailHubPlugin/Stages/Stage.swift")
        return source.matches(of: /\/\/\/ `(\w+)`:[^\n]*\n    case (\w+)\n/).map {
            StageEntry(name: String($0.output.2), hook: String($0.output.1))
        }
    }

    /// All that is compiled as tests of plugins and stages.
    static func tests() throws -> String {
        let walker = FileManager.default.enumerator(
            at: repository.appending(path: "Tests/StageTests"),
            includingPropertiesForKeys: nil
        )
        return try (walker?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "swift" }
            .map { try String(contentsOf: $0, encoding: .utf8) }.joined(separator: "\n")
    }

    @Test("Stages")
    func everyStage() throws {
        let stages = try Self.stages()
        #expect(stages.count >= 17)
        let (table, landing) = (
            try Self.text("docs/plugins.md"),
            try String(contentsOf: Self.catalog.appending(path: "MailHubPlugin.md"), encoding: .utf8)
        )
        let tests = try Self.tests()
        for stage in stages {
            let rows = table.split(separator: "\n").filter {
                $0.contains("[`\(stage.hook)`](") && $0.contains(" `\(stage.name)` |")
            }
            #expect(rows.count == 1, "docs/plugins.md has no row for \(stage.name)")
            #expect(rows.first?.split(separator: "|").count == 6, "the row of \(stage.name) has other columns")
            let article = Self.catalog.appending(path: "Stages/\(stage.hook)-article.md")
            #expect(FileManager.default.fileExists(atPath: article.path), "\(stage.name) has no article")
            #expect(landing.contains("<doc:\(stage.hook)-article>"), "the landing page does not lead to \(stage.name)")
            #expect(
                tests.contains(": \(stage.hook) {") || tests.contains(", \(stage.hook) {"),
                "\(stage.name) has no test"
            )
        }
    }

    @Test("Swift in the articles is code that is compiled and tested")
    func codeBlocks() throws {
        let walker = FileManager.default.enumerator(at: Self.catalog, includingPropertiesForKeys: nil)
        let articles = (walker?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "md" }
        #expect(articles.count >= 20)
        let compiled = Self.collapsed(try Self.tests())
        var count = 0
        for article in articles {
            let text = try String(contentsOf: article, encoding: .utf8)
            for block in text.matches(of: /```swift\n(.*?)```/.dotMatchesNewlines()) {
                count += 1
                let code = Self.collapsed(String(block.output.1))
                #expect(compiled.contains(code), "\(article.lastPathComponent): \(block.output.1.prefix(80)) ...")
            }
        }
        #expect(count >= 20)
    }

    /// Links between files of the repository that go nowhere.
    @Test("Links of the plugin documentation lead somewhere")
    func links() throws {
        let text = try Self.text("docs/plugins.md")
        for link in text.matches(of: /\]\(([^)#]+)(#[^)]*)?\)/) {
            let target = repository.appending(path: "docs").appending(path: String(link.output.1))
            #expect(FileManager.default.fileExists(atPath: target.standardizedFileURL.path), "\(link.output.1)")
        }
    }

    private static func collapsed(_ text: String) -> String {
        text.split { $0.isWhitespace }.joined(separator: " ")
    }
}
