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
            let name = section.string("name", default: typeName)
            if !name.isEmpty, !names.insert(name).inserted {
                section.report(
                    "another plugin has the name \"\(name)\"",
                    at: section.has("name") ? "name" : "plugin",
                    fix: "give it a name of its own with \"name\""
                )
            }
            let running = self.running(section)
            let configuration = section.section("configuration") ?? ConfigurationSection()
            guard !typeName.isEmpty else { return nil }
            guard let type = self.types[typeName] else {
                let fix = Spelling.suggestion(for: typeName, among: self.types.keys)
                let known = self.types.keys.sorted().joined(separator: ", ")
                section.report(
                    "there is no plugin \"\(typeName)\"",
                    at: "plugin",
                    fix: fix ?? "the plugins are: \(known)"
                )
                return nil
            }
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
            timeLimit: section.duration("timeout", default: .seconds(10)),
            onFailure: section.enumeration("onFailure", default: FailurePolicy.defer)
        )
        if result.timeLimit <= .zero {
            section.report("the time limit is zero", at: "timeout", fix: "write one such as \"10s\"")
        }
        if let limits = section.section("timeouts") {
            for key in limits.keys {
                let limit = limits.duration(key, default: result.timeLimit)
                guard let stage = Stage(rawValue: key) else {
                    let fix = Spelling.suggestion(for: key, among: Stage.allCases.map(\.rawValue))
                    let known = Stage.allCases.map(\.rawValue).joined(separator: ", ")
                    limits.report("there is no stage \"\(key)\"", at: key, fix: fix ?? "the stages are: \(known)")
                    continue
                }
                if limit <= .zero { limits.report("the time limit is zero", at: key, fix: "write one such as \"10s\"") }
                result.timeLimits[stage] = limit
            }
        }
        if let breaker = section.section("breaker") {
            result.breaker.failures = breaker.integer("failures", in: 1...1_000_000, default: result.breaker.failures)
            result.breaker.pause = breaker.duration("pause", default: result.breaker.pause)
            if result.breaker.pause <= .zero {
                breaker.report("the pause is zero", at: "pause", fix: "write one such as \"30s\"")
            }
        }
        return result
    }
}

/// What a configuration says that plugins may know.
struct PluginSurroundings: Sendable {
    let servedDomains: Set<Domain>
}

extension HubConfigurationReader {
    func plugins(_ surroundings: PluginSurroundings) -> [ConfiguredPlugin] {
        self.registry.plugins(self.root.sections("plugins"), surroundings)
    }
}
