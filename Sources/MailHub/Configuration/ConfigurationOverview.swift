public import MailHubPlugin
import Reception

/// Which plugins a configuration runs, at which stages, which of them write the same thing, and what in it is likely a slip.
public struct ConfigurationOverview: Sendable {
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
    /// What is allowed and yet seldom meant, one sentence each.
    public let doubts: [String]
    /// TXT records that the site must publish for what is configured: names and texts.
    public let records: [(name: String, text: String)]

    init(_ configuration: HubConfiguration) {
        let plugins = configuration.plugins
        self.records = [configuration.tlsReports?.signer?.record].compactMap(\.self)
        self.doubts = configuration.listeners.compactMap { listener in
            guard listener.role == .mx, listener.port == 25, listener.tls?.mode == .startTLSRequired else { return nil }
            return
                "listener \(listener.name) refuses mail from servers that do not encrypt, which RFC 3207 section 4 forbids "
                + "to those that take mail from the internet; \"mode\": \"starttls\" takes both"
        }
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
