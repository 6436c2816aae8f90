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

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
