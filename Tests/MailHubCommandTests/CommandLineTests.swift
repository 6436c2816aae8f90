import Administration
import ArgumentParser
import Foundation
import Testing

@testable import MailHubCommand

@Suite("Command line")
struct CommandLineTests {
    @Test(arguments: [
        (["queue", "retry", "a", "b"], MessageSelector.messages(ids: ["a", "b"])),
        (["queue", "retry", "--all"], .all),
        (["queue", "retry", "--all", "--state", "held"], .matching(filter: MessageFilter(state: .held))),
        (["queue", "retry", "--sender", "<>"], .matching(filter: MessageFilter(sender: "<>"))),
        (
            ["queue", "retry", "--recipient", "x", "--domain", "y", "--destination", "z"],
            .matching(filter: MessageFilter(recipient: "x", domain: "y", destination: "z"))
        ),
    ])
    func selections(arguments: [String], selector: MessageSelector) throws {
        let command = try #require(try MailHubTool.parseAsRoot(arguments) as? QueueRetry)
        #expect(try command.selection.selector() == selector)
    }

    @Test(
        "What a plugin is asked: its own options are words like any other command's",
        arguments: [
            (["list"], PluginRequest(verb: "list")),
            (["list", "--limit", "5"], .init(verb: "list", options: ["limit": "5"])),
            (["list", "--limit=5", "x"], .init(verb: "list", arguments: ["x"], options: ["limit": "5"])),
            (
                ["pass", "a.example", "--for", "1h", "--socket", "s"],
                .init(verb: "pass", arguments: ["a.example"], options: ["for": "1h"])
            ),
            (["test", "a@b", "--from", ""], .init(verb: "test", arguments: ["a@b"], options: ["from": ""])),
        ]
    )
    func pluginRun(words: [String], request: PluginRequest) throws {
        let command = try #require(try MailHubTool.parseAsRoot(["plugin", "run", "Some"] + words) as? PluginRun)
        #expect(command.name == "Some")
        #expect(try command.request() == request)
    }

    @Test(arguments: [
        ["plugin", "run", "Some", "list", "--limit"], ["plugin", "run", "Some", "list", "--=5"],
        ["plugin", "run", "Some"],
        ["queue", "retry"], ["queue", "retry", "a", "--all"], ["queue", "release", "a", "--state", "held"],
        ["queue", "delete"], ["queue", "delete", "--sender", "x"], ["queue", "list", "--limit", "0"],
        ["queue", "list", "--state", "lost"], ["queue", "show"], ["queue", "hold", "--reason", "x"], ["sreve"],
        ["queue", "suspend"], ["queue", "resume"], ["queue", "suspend", "--all"],
    ])
    func refused(arguments: [String]) {
        do {
            _ = try MailHubTool.parseAsRoot(arguments)
            Issue.record("accepted")
        } catch {
            #expect(MailHubTool.exitCode(for: error).rawValue == 64)
        }
    }

    @Test func `Deleting takes names, or --all`() throws {
        let named = try #require(try MailHubTool.parseAsRoot(["queue", "delete", "a"]) as? QueueDelete)
        #expect(try named.selection.selector(filterSuffices: false) == .messages(ids: ["a"]))
        let all = try #require(
            try MailHubTool.parseAsRoot(["queue", "delete", "--all", "--state", "damaged"]) as? QueueDelete
        )
        #expect(
            try all.selection.selector(filterSuffices: false) == .matching(filter: MessageFilter(state: .damaged))
        )
    }

    @Test func `Suspending and resuming take destinations`() throws {
        let suspend = try #require(
            try MailHubTool.parseAsRoot(["queue", "suspend", "a", "b/c.example"]) as? QueueSuspend
        )
        #expect(suspend.destination == ["a", "b/c.example"])
        let resume = try #require(try MailHubTool.parseAsRoot(["queue", "resume", "a"]) as? QueueResume)
        #expect(resume.destination == ["a"])
    }

    @Test(arguments: [
        (#"{}"#, "var/run/control.sock"), (#"{"control":{}}"#, "var/run/control.sock"),
        (#"{"control":{"socket":"s"}}"#, "s"), (#"{"control":{"socket":"../s"},"x":1}"#, "../s"),
    ])
    func socketPath(json: String, path: String) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mailhub-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let config = folder.appendingPathComponent("config.json")
        try Data(json.utf8).write(to: config)
        let expected = folder.appendingPathComponent(path).standardizedFileURL.path
        #expect(try URL(fileURLWithPath: controlSocketPath(config: config.path)).standardizedFileURL.path == expected)
    }

    @Test func `An absolute socket path stays, and a missing configuration is told`() throws {
        let config = FileManager.default.temporaryDirectory.appendingPathComponent("mailhub-\(UUID().uuidString).json")
        #expect(throws: UnreadableConfiguration.self) { try controlSocketPath(config: config.path) }
        defer { try? FileManager.default.removeItem(at: config) }
        try Data(#"{"control":{"socket":"/run/mailhub.sock"}}"#.utf8).write(to: config)
        #expect(try controlSocketPath(config: config.path) == "/run/mailhub.sock")
        try Data("not JSON".utf8).write(to: config)
        #expect(throws: UnreadableConfiguration.self) { try controlSocketPath(config: config.path) }
    }
}
