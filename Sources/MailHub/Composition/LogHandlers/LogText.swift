/// Text in log lines: what a peer sends ends up here, and must neither begin a new line nor steer a terminal.
enum LogText {
    /// Where the text stands.
    enum Place {
        /// In a text line, outside quotes.
        case plain
        /// In a text line, between quotes.
        case quoted
        /// In a JSON string.
        case json
    }

    /// The longest piece of text in octets; what is longer is cut and marked with `…`.
    static let limit = 4096

    /// Appends text of our own.
    static func append(_ text: StaticString, to line: inout [UInt8]) {
        text.withUTF8Buffer { unsafe line.append(contentsOf: $0) }
    }

    /// Appends a key or a value of a text line, in quotes where it would not be one word.
    static func appendWord(_ text: String, to line: inout [UInt8]) {
        if Self.isWord(text) {
            line.append(contentsOf: text.utf8)
        } else {
            Self.appendQuoted(text, for: .quoted, to: &line)
        }
    }

    /// Appends text between quotes.
    static func appendQuoted(_ text: String, for place: Place, to line: inout [UInt8]) {
        Self.append("\"", to: &line)
        Self.appendEscaped(text, for: place, to: &line)
        Self.append("\"", to: &line)
    }

    /// Appends text, with escapes for what would be read as anything but text.
    static func appendEscaped(_ text: String, for place: Place, to line: inout [UInt8]) {
        guard text.utf8.count <= Self.limit else {
            Self.appendEscaped(String(decoding: text.utf8.prefix(Self.limit - 3), as: UTF8.self), for: place, to: &line)
            return Self.append("…", to: &line)
        }
        if Self.isHarmless(text) {
            line.append(contentsOf: text.utf8)
        } else {
            for scalar in text.unicodeScalars { Self.append(scalar, for: place, to: &line) }
        }
    }

    /// Printable ASCII without quotes and backslashes: most text.
    private static func isHarmless(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
    }

    private static func isWord(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= Self.limit
            && text.utf8.allSatisfy {
                $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
                    && $0 != UInt8(ascii: "=")
            }
    }

    private static func append(_ scalar: Unicode.Scalar, for place: Place, to line: inout [UInt8]) {
        switch scalar {
        case "\n": Self.append("\\n", to: &line)
        case "\r": Self.append("\\r", to: &line)
        case "\t": Self.append("\\t", to: &line)
        case "\"" where place != .plain: Self.append("\\\"", to: &line)
        case "\\" where place != .plain: Self.append("\\\\", to: &line)
        case _ where Self.isInvisible(scalar):
            // All of these lie in the first plane: four digits are enough.
            let digits = String(scalar.value, radix: 16)
            line.append(contentsOf: "\\u".utf8)
            line.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: max(0, 4 - digits.utf8.count)))
            line.append(contentsOf: digits.utf8)
        default:
            line.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        }
    }

    /// Controls (C0, DEL, C1), line separators, and what changes the direction of writing.
    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0...0x1F, 0x7F...0x9F, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x2069, 0xFEFF: true
        default: false
        }
    }
}
