import Foundation
import Glibc
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

    /// Prints lines at once, so that a reader sees them while more are on their way.
    ///
    /// When the reader is gone (`mailhub queue list | head`) the process ends as any other does then: by SIGPIPE, which the
    /// network library has turned off.
    static func print(_ lines: String...) { Self.print(lines) }

    /// Prints lines at once.
    static func print(_ lines: [String]) {
        let bytes = Array(lines.map { $0 + "\n" }.joined().utf8)
        var written = 0
        while written < bytes.count {
            let result = unsafe bytes.withUnsafeBytes { all in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: all[written...])
                return unsafe write(STDOUT_FILENO, rest.baseAddress, rest.count)
            }
            if result >= 0 {
                written += result
            } else if errno == EPIPE {
                _ = signal(SIGPIPE, SIG_DFL)
                raise(SIGPIPE)
            } else if errno != EINTR && errno != EAGAIN {
                Self.complain("cannot write to standard output")
                exit(EXIT_FAILURE)
            }
        }
    }

    /// Prints a value as one line of JSON, times in ISO 8601.
    static func json(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        Self.print(Terminal.escaped(String(decoding: try encoder.encode(value), as: UTF8.self)))
    }
}
