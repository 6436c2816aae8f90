package import Logging

/// Formats what a logger says and hands it to the sink.
package struct HubLogHandler: LogHandler {
    private let label: String
    private let sink: LogSink
    private var ownLevel: Logger.Level?

    package var metadata: Logger.Metadata = [:] {
        didSet { self.ordered = Self.inOrder(self.metadata) }
    }
    /// The logger's own metadata in the order of the keys: put in order once, not for each line.
    private var ordered: [Member] = []
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

    private typealias Member = (key: String, value: Logger.MetadataValue)

    /// All metadata in the order of the keys; what is said with the message wins over the provider, that over the logger.
    private func merged(_ event: LogEvent) -> [Member] {
        var all = self.ordered
        if let provided = self.metadataProvider?.get(), !provided.isEmpty { all = Self.merge(provided, into: all) }
        if let said = event.metadata { all = Self.merge(said, into: all) }
        if let error = event.error, !all.contains(where: { $0.key == "error" }) {
            all = Self.merge(["error": "\(error)"], into: all)
        }
        return all
    }

    /// Two lists in order become one; where both have a key, the newer value counts.
    private static func merge(_ newer: Logger.Metadata, into older: [Member]) -> [Member] {
        var all: [Member] = []
        all.reserveCapacity(newer.count + older.count)
        var rest = older[...]
        for member in self.inOrder(newer) {
            while let next = rest.first, next.key < member.key {
                all.append(next)
                rest.removeFirst()
            }
            if rest.first?.key == member.key { rest.removeFirst() }
            all.append(member)
        }
        all.append(contentsOf: rest)
        return all
    }

    private static func inOrder(_ metadata: Logger.Metadata) -> [Member] {
        metadata.map { (key: $0.key, value: $0.value) }.sorted { $0.key < $1.key }
    }
}
