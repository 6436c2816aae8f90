import ArgumentParser
import Foundation
import Testing

@testable import MailHubCommand

@Suite("mailhub plugin new")
struct PluginNewTests {
    private static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    @Test("What it writes is compiled and tested with the package, as the target PluginTemplate")
    func template() throws {
        for (path, text) in PluginTemplate.files(name: "PluginTemplate") {
            let file = Self.repository.appending(path: "Tests/PluginTemplate").appending(path: path)
            #expect(try String(contentsOf: file, encoding: .utf8) == text, "\(path)")
        }
    }

    @Test("The files are written, and never over others")
    func writes() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "mailhub-new-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let command = try PluginNew.parse(["HouseRules", "--folder", folder.path])
        try command.run()
        for (path, text) in PluginTemplate.files(name: "HouseRules") {
            let file = folder.appending(path: "HouseRules").appending(path: path)
            #expect(try String(contentsOf: file, encoding: .utf8) == text)
            #expect(!text.contains("PluginTemplate"))
        }
        let source = folder.appending(path: "HouseRules/Sources/HouseRules.swift")
        try Data("mine".utf8).write(to: source)
        #expect(throws: (any Error).self) { try command.run() }
        #expect(try String(contentsOf: source, encoding: .utf8) == "mine")
    }

    @Test(
        "The name must be one of a Swift type that nobody has",
        arguments: [
            ("HouseRules", true), ("A", true), ("Rules2", true), ("houseRules", false), ("", false),
            ("House-Rules", false),
            ("House Rules", false), ("../Rules", false), ("2Rules", false), ("R\u{E4}gel", false), ("MailHub", false),
            ("Any", false), ("RecipientHook", false), ("RulesTests", false), ("DKIM", false),
            ("SessionContext", false), ("ConfigurationSection", false), ("Greylisting", false),
            (String(repeating: "X", count: 61), false),
        ]
    )
    func name(_ name: String, isFine: Bool) {
        #expect((PluginTemplate.problem(withName: name) == nil) == isFine)
        #expect(((try? PluginNew.parse([name])) != nil) == isFine)
    }

    @Test("No plugin may have the name of a module of the package")
    func modules() throws {
        let folders = ["Sources", "Plugins", "Tests"].map { Self.repository.appending(path: $0) }
        for folder in folders {
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
                guard FileManager.default.fileExists(atPath: folder.appending(path: "\(name)/.").path) else { continue }
                // Folders of data are no modules.
                if ["Dialogues", "BadConfigurations"].contains(name) { continue }
                #expect(PluginTemplate.problem(withName: name) != nil, "\(name)")
            }
        }
    }

    @Test("Elsewhere than in Plugins, it says where to move it")
    func elsewhere() {
        let text = PluginTemplate.nextSteps(name: "HouseRules", folder: "Local/HouseRules")
        #expect(text.contains("Local/HouseRules is written. Move it to Plugins/HouseRules of the hub's sources"))
    }

    @Test("It says what to add where")
    func nextSteps() {
        let text = PluginTemplate.nextSteps(name: "HouseRules", folder: "Plugins/HouseRules")
        #expect(text.contains(#"+ plugin("HouseRules")"#))
        #expect(text.contains("HouseRules.self,"))
    }
}
