package import Logging

/// Formats what a logger says and hands it to the sink.
package struct HubLogHandler: LogHandler {
    private let label: String
    private let sink: LogSink
    private var ownLevel: Logger.Level?

    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    /// The level that was set on this logger, or else the one of the sink at the moment.
    package var logLevel: Logger.Level {
        get { self.ownLevel ?? self.sink.level }
        set { self.ownLevel = newValue }
    }

    /// - Parameter label: names the part of the hub; shown in JSON lines only.
    package init(label: String, sink: LogSink, metadataProvider: Logger.MetadataProvider? = nil) {
        self.label = label
        self.sink = sink
        self.metadataProvider = metadataProvider
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var tail: [UInt8] = []
        tail.reserveCapacity(512)
        self.sink.format.appendTail(
            level: event.level,
            label: self.label,
            message: event.message.description,
            metadata: self.merged(event),
            to: &tail
        )
        self.sink.write(tail, level: event.level)
    }

    /// All metadata in the order of the keys; what is said with the message wins over the provider, that over the logger.
    private func merged(_ event: LogEvent) -> [(key: String, value: Logger.MetadataValue)] {
        var all = self.metadata
        if let provided = self.metadataProvider?.get(), !provided.isEmpty { all.merge(provided) { $1 } }
        if let said = event.metadata { all.merge(said) { $1 } }
        if let error = event.error, all["error"] == nil { all["error"] = "\(error)" }
        guard !all.isEmpty else { return [] }
        return all.map { (key: $0.key, value: $0.value) }.sorted { $0.key < $1.key }
    }
}
