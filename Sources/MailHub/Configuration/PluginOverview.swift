public import MailHubPlugin

/// Which plugins a configuration runs, at which stages, and which of them write the same thing.
public struct PluginOverview: Sendable {
    /// A stage that somebody takes part in.
    public struct Row: Sendable {
        /// The stage.
        public let stage: Stage
        /// The names of the plugins in the order in which they are asked.
        public let plugins: [String]
    }
    /// Plugins that write the same thing.
    public struct Conflict: Sendable {
        /// What they write.
        public let target: EditTarget
        /// Their names; the last one wins.
        public let plugins: [String]
    }
    /// The stages in the order in which a message meets them; those that nobody listens to are left out.
    public let rows: [Row]
    /// Things with more than one writer.
    public let conflicts: [Conflict]

    init(_ plugins: [ConfiguredPlugin]) {
        self.rows = Stage.allCases.compactMap { stage in
            let names = plugins.filter { $0.plugin.stages.contains(stage) }.map(\.name)
            return names.isEmpty ? nil : Row(stage: stage, plugins: names)
        }
        var writers: [EditTarget: [String]] = [:]
        for entry in plugins {
            for target in entry.plugin.edits { writers[target, default: []].append(entry.name) }
        }
        // What recipients become adds up: each plugin sees what those before it have made of them.
        self.conflicts = writers.filter { $0.value.count > 1 && $0.key != .recipients }.map {
            Conflict(target: $0.key, plugins: $0.value)
        }
        .sorted { $0.target.description < $1.target.description }
    }
}
