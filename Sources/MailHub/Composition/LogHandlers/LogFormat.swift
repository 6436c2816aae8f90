import Logging

/// How a log line looks.
package enum LogFormat: String, Hashable, Sendable, Codable, CaseIterable {
    /// For people: `2026-07-14T09:26:53.589+02:00 info     message accepted from=a@example.org size=4096`.
    case text
    /// For collectors: one JSON object a line, `{"time":"...","level":"...","logger":"...","message":"...","metadata":{}}`.
    case json

    /// What stands before the time.
    var head: StaticString {
        switch self {
        case .text: ""
        case .json: "{\"time\":\""
        }
    }

    /// Appends what stands behind the time: level, message and metadata in the order of their keys, and the line end.
    ///
    /// Whatever the parts contain, this is one line without control characters.
    func appendTail(
        level: Logger.Level,
        label: String,
        message: String,
        metadata: [(key: String, value: Logger.MetadataValue)],
        to line: inout [UInt8]
    ) {
        switch self {
        case .text:
            LogText.append(" ", to: &line)
            LogText.append(level.padded, to: &line)
            LogText.append(" ", to: &line)
            LogText.appendEscaped(message, for: .plain, to: &line)
            for (key, value) in metadata {
                LogText.append(" ", to: &line)
                LogText.appendWord(key, to: &line)
                LogText.append("=", to: &line)
                LogText.appendWord(value.flattened, to: &line)
            }
            LogText.append("\n", to: &line)
        case .json:
            LogText.append("\",\"level\":\"", to: &line)
            line.append(contentsOf: level.rawValue.utf8)
            LogText.append("\",\"logger\":", to: &line)
            LogText.appendQuoted(label, for: .json, to: &line)
            LogText.append(",\"message\":", to: &line)
            LogText.appendQuoted(message, for: .json, to: &line)
            if !metadata.isEmpty {
                LogText.append(",\"metadata\":", to: &line)
                Self.appendObject(metadata, to: &line)
            }
            LogText.append("}\n", to: &line)
        }
    }

    private static func appendObject(
        _ members: [(key: String, value: Logger.MetadataValue)],
        to line: inout [UInt8]
    ) {
        LogText.append("{", to: &line)
        for (index, (key, value)) in members.enumerated() {
            if index > 0 { LogText.append(",", to: &line) }
            LogText.appendQuoted(key, for: .json, to: &line)
            LogText.append(":", to: &line)
            Self.appendJSON(value, to: &line)
        }
        LogText.append("}", to: &line)
    }

    private static func appendJSON(_ value: Logger.MetadataValue, to line: inout [UInt8]) {
        switch value {
        case .string(let text): LogText.appendQuoted(text, for: .json, to: &line)
        case .stringConvertible(let value): LogText.appendQuoted(value.description, for: .json, to: &line)
        case .dictionary(let members):
            Self.appendObject(members.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) }, to: &line)
        case .array(let elements):
            LogText.append("[", to: &line)
            for (index, element) in elements.enumerated() {
                if index > 0 { LogText.append(",", to: &line) }
                Self.appendJSON(element, to: &line)
            }
            LogText.append("]", to: &line)
        }
    }
}

extension Logger.Level {
    /// The level in eight characters, so that messages stand below each other.
    fileprivate var padded: StaticString {
        switch self {
        case .trace: "trace   "
        case .debug: "debug   "
        case .info: "info    "
        case .notice: "notice  "
        case .warning: "warning "
        case .error: "error   "
        case .critical: "critical"
        }
    }
}

extension Logger.MetadataValue {
    /// The value in one string: `[a, b]` and `{k: v}` for what is nested.
    fileprivate var flattened: String {
        switch self {
        case .string(let text): text
        case .stringConvertible(let value): value.description
        case .array(let elements): "[" + elements.map(\.flattened).joined(separator: ", ") + "]"
        case .dictionary(let members):
            "{" + members.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.flattened)" }.joined(separator: ", ")
                + "}"
        }
    }
}
