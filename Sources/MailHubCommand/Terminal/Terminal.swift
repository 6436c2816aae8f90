import Foundation
import Glibc

/// What output is written to.
struct Terminal: Sendable {
    /// The columns of the window; `nil` where lines need not be cut: a file or a pipe.
    var width: Int?

    /// Standard output as it is now.
    static var standardOutput: Terminal {
        guard isatty(STDOUT_FILENO) == 1 else { return Terminal(width: nil) }
        var size = winsize()
        if unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 {
            return Terminal(width: Int(size.ws_col))
        }
        return Terminal(width: ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) } ?? 80)
    }

    /// Text that a terminal shows and does not obey: addresses and replies come from strangers.
    static func harmless(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: Self.isControl) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { Self.isControl($0) ? "\u{FFFD}" : $0 }))
    }

    /// JSON with escapes for what a terminal could obey: all of it stands in strings, and means the same.
    static func escaped(_ json: String) -> String {
        guard json.unicodeScalars.contains(where: Self.isControl) else { return json }
        return json.unicodeScalars.map { scalar in
            guard Self.isControl(scalar) else { return String(scalar) }
            return String(scalar).utf16.map { unit in
                let digits = String(unit, radix: 16)
                return "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            }.joined()
        }.joined()
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
