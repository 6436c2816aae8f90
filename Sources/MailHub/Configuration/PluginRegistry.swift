import MailHubPlugin

/// The plugins that this executable knows, and how they are made from `"plugins"`.
struct PluginRegistry: Sendable {
    private let types: [String: any HubPlugin.Type]
    private let makeServices: @Sendable (Set<Domain>) -> PluginServices

    /// - Parameters:
    ///   - types: no two of one name; the first counts.
    ///   - services: what plugins get, for the served domains.
    init(_ types: [any HubPlugin.Type], services: @escaping @Sendable (Set<Domain>) -> PluginServices) {
        self.types = Dictionary(types.map { ($0.name, $0) }) { first, _ in first }
        self.makeServices = services
    }

    /// Makes the plugins of a configuration, in its order; what is wrong is reported through the sections.
    func plugins(_ sections: [ConfigurationSection], served: Set<Domain>) -> [ConfiguredPlugin] {
        let services = self.makeServices(served)
        var names: Set<String> = []
        return sections.compactMap { section in
            let typeName = section.requiredString("plugin")
            let name = section.has("name") ? section.requiredString("name") : typeName
            let timeLimit = section.positiveDuration("timeout", default: .seconds(10))
            let onFailure = section.enumeration("onFailure", default: FailurePolicy.defer)
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
            do {
                let plugin = try type.init(configuration: configuration, services: services)
                return ConfiguredPlugin(name: name, plugin: plugin, timeLimit: timeLimit, onFailure: onFailure)
            } catch {
                section.report("the plugin cannot run: \(error)", at: "configuration", fix: "see the plugin's README")
                return nil
            }
        }
    }
}

extension HubConfigurationReader {
    func plugins(served: Set<Domain>) -> [ConfiguredPlugin] {
        self.registry.plugins(self.root.sections("plugins"), served: served)
    }
}
