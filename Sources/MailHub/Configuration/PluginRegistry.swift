import LDAPClient
import MailHubPlugin

/// The plugins that this executable knows, and how they are made from `"plugins"`.
struct PluginRegistry: Sendable {
    private let types: [String: any HubPlugin.Type]
    private let makeServices: @Sendable (_ name: String, _ configuration: PluginSurroundings) -> PluginServices

    /// - Parameters:
    ///   - types: no two of one name; the first counts.
    ///   - services: what the plugin of the given name gets.
    init(
        _ types: [any HubPlugin.Type],
        services: @escaping @Sendable (_ name: String, _ configuration: PluginSurroundings) -> PluginServices
    ) {
        self.types = Dictionary(types.map { ($0.name, $0) }) { first, _ in first }
        self.makeServices = services
    }

    /// Makes the plugins of a configuration, in its order; what is wrong is reported through the sections.
    func plugins(_ sections: [ConfigurationSection], _ surroundings: PluginSurroundings) -> [ConfiguredPlugin] {
        var names: Set<String> = []
        return sections.compactMap { section in
            let typeName = section.requiredString("plugin")
            let name = section.has("name") ? section.requiredString("name") : typeName
            let running = self.running(section)
            if !name.isEmpty, !names.insert(name).inserted {
                section.report(
                    "another plugin has the name \(Quotation.of(name))",
                    at: section.has("name") ? "name" : "plugin",
                    fix: section.has("name") ? "choose another name" : "tell them apart: add \"name\" to one of them"
                )
            }
            guard let type = self.types[typeName] else {
                section.ignore("configuration")
                guard !typeName.isEmpty else { return nil }
                section.report(
                    "there is no plugin \(Quotation.of(typeName))",
                    at: "plugin",
                    fix: Spelling.suggestion(for: typeName, among: self.types.keys)
                        ?? "name one of: \(self.types.keys.sorted().joined(separator: ", "))"
                )
                return nil
            }
            guard let configuration = section.sectionOrEmpty("configuration") else { return nil }
            var surroundings = surroundings
            surroundings.timeLimit = running.timeLimits.values.reduce(running.timeLimit, min)
            let services = self.makeServices(name, surroundings)
            do {
                let plugin = try type.init(configuration: configuration, services: services)
                return ConfiguredPlugin(
                    name: name,
                    plugin: plugin,
                    timeLimit: running.timeLimit,
                    timeLimits: running.timeLimits,
                    onFailure: running.onFailure,
                    breaker: running.breaker,
                    counters: services.counters
                )
            } catch {
                section.report("the plugin cannot run: \(error)", at: "configuration", fix: "see the plugin's README")
                return nil
            }
        }
    }

    /// How a plugin is run, whatever it does.
    private struct Running {
        var timeLimit: Duration
        var timeLimits: [Stage: Duration] = [:]
        var onFailure: FailurePolicy
        var breaker = PluginHealth.Breaker()
    }

    private func running(_ section: ConfigurationSection) -> Running {
        var result = Running(
            timeLimit: section.positiveDuration("timeout", default: .seconds(10)),
            onFailure: section.enumeration("onFailure", default: FailurePolicy.defer)
        )
        if let limits = section.section("timeouts") {
            for stage in Stage.allCases {
                let limit = limits.positiveDuration(stage.rawValue, default: result.timeLimit)
                if limits.has(stage.rawValue) { result.timeLimits[stage] = limit }
            }
        }
        if let breaker = section.section("breaker") {
            result.breaker.failures = breaker.integer("failures", in: 1...1_000_000, default: result.breaker.failures)
            result.breaker.pause = breaker.positiveDuration("pause", default: result.breaker.pause)
        }
        return result
    }
}

/// What a configuration says that plugins may know.
struct PluginSurroundings: Sendable {
    let servedDomains: Set<Domain>
    /// The LDAP servers; `nil` where there are none.
    var directory: LDAPSettings?
    /// Who reads the postmaster's mail; `nil` where that is not said.
    var postmaster: Mailbox?
    /// The shortest time that a call of the plugin may take.
    var timeLimit: Duration = .seconds(10)
}

extension HubConfigurationReader {
    func plugins(_ surroundings: PluginSurroundings) -> [ConfiguredPlugin] {
        self.registry.plugins(self.root.sections("plugins"), surroundings)
    }
}
