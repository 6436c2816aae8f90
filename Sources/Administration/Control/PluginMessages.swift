/// What the operator wants of a plugin.
package struct PluginRequest: Codable, Hashable, Sendable {
    /// What to do.
    package var verb: String
    /// The words behind it.
    package var arguments: [String]
    /// Options by name.
    package var options: [String: String]

    package init(verb: String, arguments: [String] = [], options: [String: String] = [:]) {
        self.verb = verb
        self.arguments = arguments
        self.options = options
    }
}

/// What a plugin answers: a table, or lines.
package struct PluginAnswer: Codable, Hashable, Sendable {
    /// The table's columns; empty where there are only lines.
    package var columns: [String]
    /// The table's rows.
    package var rows: [[String]]
    /// Lines of text.
    package var lines: [String]

    package init(columns: [String] = [], rows: [[String]] = [], lines: [String] = []) {
        self.columns = columns
        self.rows = rows
        self.lines = lines
    }
}

/// A plugin that runs.
package struct PluginEntry: Codable, Hashable, Sendable {
    /// Its name in config.json.
    package var name: String
    /// The stages that it takes part in.
    package var stages: [String]
    /// `defer` or `ignore`.
    package var onFailure: String
    /// Calls so far.
    package var calls: Int
    /// Calls that threw or took too long.
    package var failures: Int
    /// Calls that took too long.
    package var timeouts: Int
    /// Times that it was not asked because it had failed again and again.
    package var skipped: Int
    /// Whether it is not asked now.
    package var isPaused: Bool
    /// Its own counters.
    package var counters: [String: Int]
    /// What the operator may ask of it.
    package var verbs: [String]

    package init(
        name: String,
        stages: [String],
        onFailure: String,
        calls: Int = 0,
        failures: Int = 0,
        timeouts: Int = 0,
        skipped: Int = 0,
        isPaused: Bool = false,
        counters: [String: Int] = [:],
        verbs: [String] = []
    ) {
        self.name = name
        self.stages = stages
        self.onFailure = onFailure
        self.calls = calls
        self.failures = failures
        self.timeouts = timeouts
        self.skipped = skipped
        self.isPaused = isPaused
        self.counters = counters
        self.verbs = verbs
    }
}
