public import MailHubPlugin
import Synchronization

/// What every plugin must bear, whatever it is for: one suite that any plugin can be run through.
///
/// ```swift
/// let findings = try await PluginConformance.check(Greylisting.self, configuration: #"{ "delay": "5m" }"#)
/// #expect(findings.isEmpty, "\(findings)")
/// ```
///
/// It looks for: hooks that throw or do not answer, replies of the wrong class or with text that no client should see, edits
/// that `edits` does not declare, keys that are not reported as unknown; all of that in every order of commands, with garbage,
/// huge headers, thousands of recipients, empty and huge contents, DNS, directory and store down, clients that go away, and many
/// sessions at a time. A plugin may refuse and defer as it likes; the suite judges no policy.
public enum PluginConformance {
    /// Something that a plugin must not do.
    public struct Finding: Hashable, Sendable, CustomStringConvertible {
        /// What went on, such as `the store is down`.
        public let situation: String
        /// What was wrong.
        public let problem: String
        /// Both.
        public var description: String { "\(self.situation): \(self.problem)" }
    }

    /// Runs a plugin through the suite.
    ///
    /// - Parameters:
    ///   - configuration: the JSON object under `"configuration"`; the plugin is made from it once for each situation.
    ///   - listener: where clients connect; `example.org` is served by default.
    ///   - prepare: makes the scripted services ready, before the plugin is asked anything.
    /// - Returns: what was found; empty for a plugin that is fine.
    /// - Throws: where the plugin cannot be made from the configuration.
    public static func check(
        _ plugin: any HubPlugin.Type,
        configuration: String = "{}",
        listener: TestHub.Listener = TestHub.Listener(),
        prepare: @escaping @Sendable (TestHub) async throws -> Void = { _ in }
    ) async throws -> [Finding] {
        let findings = Findings()
        _ = try TestHub([TestHub.Plugin(plugin, configuration)], listener: listener)
        try self.checkUnknownKey(plugin, configuration, findings)
        for situation in Situation.all {
            var listener = listener
            if situation.isLMTP { listener.role = .lmtp }
            if situation.isRelay { listener.relayNetworks = ["192.0.2.0/24"] }
            let witness = Witness(situation: situation.name, mayFail: situation.mayFail, findings: findings)
            let hub = try TestHub(
                [
                    TestHub.Plugin(named: plugin.name, configuration, timeLimit: .seconds(60)) { section, services in
                        let value = try plugin.init(configuration: section, services: services)
                        return value is any RecipientResolver
                            ? WatchedResolver(plugin: value, witness: witness)
                            : Watched(plugin: value, witness: witness)
                    }
                ],
                listener: listener
            )
            try await prepare(hub)
            situation.prepare(hub)
            if situation.isStoreDown {
                hub.store(of: plugin.name).fail(with: StoreUnavailable("the conformance suite says so"))
            }
            do {
                try await hub.running { try await situation.run(hub) }
            } catch {
                findings.add(situation.name, "a session did not go on: \(error)")
            }
        }
        return findings.all
    }

    private static func checkUnknownKey(
        _ plugin: any HubPlugin.Type,
        _ configuration: String,
        _ findings: Findings
    ) throws {
        let situation = "a key that the plugin does not know"
        let key = "no-plugin-has-this-key"
        let trimmed = configuration.trimmingSuffix { $0 != "}" }
        guard trimmed.last == "}" else { return }
        let inside = trimmed.dropLast()
        let separator = inside.contains("\"") ? "," : ""
        do {
            _ = try TestHub([TestHub.Plugin(plugin, "\(inside)\(separator)\"\(key)\": 1}")])
            findings.add(situation, "is not reported")
        } catch let error as TestHub.ConfigurationRefused {
            if !error.problems.contains(where: { $0.description.contains(key) }) {
                findings.add(situation, "is not reported by its name")
            }
        }
    }
}

/// Findings of one run, each once.
final class Findings: Sendable {
    private let found = Mutex<[PluginConformance.Finding]>([])

    func add(_ situation: String, _ problem: String) {
        let finding = PluginConformance.Finding(situation: situation, problem: problem)
        self.found.withLock { if !$0.contains(finding) { $0.append(finding) } }
    }

    var all: [PluginConformance.Finding] { self.found.withLock { $0 } }
}

extension BidirectionalCollection {
    /// The collection without the longest run at its end for which the predicate holds.
    fileprivate func trimmingSuffix(while predicate: (Element) -> Bool) -> SubSequence {
        var end = self.endIndex
        while end > self.startIndex, predicate(self[self.index(before: end)]) { end = self.index(before: end) }
        return self[..<end]
    }
}
