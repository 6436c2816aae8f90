import Foundation
import SMTP

/// Where commands print to.
enum Output {
    /// The present, for times such as `2h ago`.
    static var now: Timestamp { Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) }

    /// Tells on standard error what went wrong.
    static func complain(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { Terminal.harmless(String($0)) }
        FileHandle.standardError.write(Data("mailhub: \(lines.joined(separator: "\n"))\n".utf8))
    }

    /// Prints a value as one line of JSON, times in ISO 8601.
    static func json(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}
