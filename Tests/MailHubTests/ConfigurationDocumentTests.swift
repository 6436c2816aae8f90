import Foundation
import MailHubPlugin
import Testing

@testable import MailHub

@Suite("docs/configuration.md")
struct ConfigurationDocumentTests {
    /// The keys of each section: rows of its table that begin with the key in backquotes.
    private static func documentedKeys() throws -> [String: Set<String>] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/configuration.md")
        var result: [String: Set<String>] = [:]
        var section = ""
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            if line.hasPrefix("## ") { section = line.dropFirst(3).filter { $0 != "`" } }
            if let key = line.prefixMatch(of: /\| `([A-Za-z0-9]+)` \|/)?.1 {
                result[section, default: []].insert(String(key))
            }
        }
        return result
    }

    /// The keys that the reader asks for, by the section of the document that they belong to.
    private static func askedKeys() throws -> [String: Set<String>] {
        let root = try ConfigurationSection.parse(everythingSet)
        let configuration = HubConfigurationReader(root: root, registry: .shipped).configuration()
        #expect(configuration != nil)
        #expect(root.problems() == [])
        var result: [String: Set<String>] = [:]
        for path in root.askedPaths() where !path.contains(".configuration.") {
            // $.listeners[0].port, $.domains["example.org"].route: names and numbers are not keys of the document.
            var keys = path.replacing(/\[("[^"]*"|[0-9]+)\]/, with: "").split(separator: ".").dropFirst().map {
                String($0)
            }
            let isNamed = ["domains", "routes", "throttles"].contains(keys.first ?? "")
            if isNamed, keys.count > 1 {
                // What is left of $.routes.internet.host is routes, internet, host; of a name in brackets, routes, host.
                guard !path.hasSuffix("]"), let last = keys.last else { continue }
                if keys.count == 2, path.split(separator: "[").count == 1 { continue }
                keys = [keys[0], last]
            } else if isNamed, path.contains("[") {
                continue
            }
            guard let key = keys.popLast() else { continue }
            result[keys.isEmpty ? "Top level" : keys.joined(separator: "."), default: []].insert(key)
        }
        return result
    }

    @Test func `Each key that is read is in the document, and the other way round`() throws {
        let (asked, documented) = (try Self.askedKeys(), try Self.documentedKeys())
        #expect(asked.keys.sorted() == documented.keys.sorted())
        for (section, keys) in asked { #expect(keys == documented[section], "section \(section)") }
    }

    @Test func `Each example is right`() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/configuration.md")
        let blocks = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "```json\n").dropFirst()
            .compactMap { $0.components(separatedBy: "\n```").first?.trimmingCharacters(in: .whitespacesAndNewlines) }
        #expect(blocks.count > 8)
        let routes = #""mailstore": {"transport": "maildir", "directory": "m"}, "#
        for block in blocks {
            var text = block.hasPrefix("{") ? String(block.dropFirst().dropLast()) : block
            if !text.contains("\"hostname\"") { text += #", "hostname": "hub.example.org""# }
            if !text.contains("\"listeners\"") { text += #", "listeners": [{ "name": "mx", "address": "::1" }]"# }
            if !text.contains("\"routes\"") {
                text +=
                    #", "routes": { \#(routes) "listserver": { "transport": "smtp", "host": "h" }, "#
                    + #""internet": { "transport": "smtp", "lookup": "mx" } }"#
            }
            #expect(throws: Never.self, "\(block)") { try HubConfiguration.read("{\(text)}") }
        }
    }
}
