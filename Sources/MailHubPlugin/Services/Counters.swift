import Metrics
import Synchronization

/// A plugin's counters: the operator sees them in `mailhub plugin list --json`, and the metrics system of an embedder gets them.
public final class Counters: Sendable {
    private struct Entry {
        var value = 0
        let metric: Counter?
    }
    private let plugin: String?
    private let entries = Mutex<[String: Entry]>([:])

    /// No counters yet.
    ///
    /// - Parameter plugin: the plugin's name in config.json; with it, each counter is `mailhub_plugin_events` in swift-metrics,
    ///   with the dimensions `plugin` and `event`.
    public init(plugin: String? = nil) { self.plugin = plugin }

    /// Adds to a counter, which begins at 0.
    ///
    /// - Parameter name: a constant of the plugin, never something that a client sent: counters are not forgotten.
    public func increment(_ name: String, by amount: Int = 1) {
        self.entries.withLock { entries in
            var entry = entries[name] ?? Entry(metric: self.metric(name))
            let (sum, overflow) = entry.value.addingReportingOverflow(amount)
            entry.value = overflow ? .max : sum
            entry.metric?.increment(by: amount)
            entries[name] = entry
        }
    }

    private func metric(_ name: String) -> Counter? {
        self.plugin.map {
            Counter(label: "mailhub_plugin_events", dimensions: [("plugin", $0), ("event", name)])
        }
    }

    /// The value of a counter.
    public subscript(name: String) -> Int { self.entries.withLock { $0[name]?.value ?? 0 } }

    /// All counters.
    public var snapshot: [String: Int] { self.entries.withLock { $0.mapValues(\.value) } }
}
