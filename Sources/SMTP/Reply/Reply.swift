public import NIOCore

/// What a server answers to one command (RFC 5321 section 4.2).
public struct Reply: Hashable, Sendable {
    /// The three digits.
    public let code: ReplyCode
    /// Subject and detail; `nil` for greetings, EHLO replies and 3yz replies (RFC 2034 section 4).
    public let enhanced: EnhancedStatusCode?
    /// At least one line of printable ASCII, without code and line end.
    public let lines: [String]

    /// Makes a reply; line ends and control characters in the text become spaces, non-ASCII characters `?`.
    public init(_ code: ReplyCode, _ enhanced: EnhancedStatusCode?, _ text: String) {
        self.init(code, enhanced, lines: [text])
    }

    /// Makes a reply without an enhanced code: greetings and 3yz replies (RFC 2034 section 4).
    public init(_ code: ReplyCode, _ text: String) { self.init(code, nil, lines: [text]) }

    /// Makes a reply of several lines; an empty list gives one empty line.
    public init(_ code: ReplyCode, _ enhanced: EnhancedStatusCode? = nil, lines: [String]) {
        self.code = code
        self.enhanced = enhanced
        self.lines = lines.isEmpty ? [""] : lines.map(Self.printable)
    }

    /// A reply as it came from a peer.
    package init(received code: ReplyCode, _ enhanced: EnhancedStatusCode?, lines: [String]) {
        self.code = code
        self.enhanced = enhanced
        self.lines = lines
    }

    /// The text in one line.
    public var text: String { self.lines.joined(separator: " ") }

    /// The enhanced code with its class digit, such as `5.1.1`; `nil` where there is none.
    public var enhancedText: String? {
        self.enhanced.map { "\(self.code.value / 100).\($0.subject).\($0.detail)" }
    }

    private static func printable(_ text: String) -> String {
        if text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { return text }
        return String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    scalar.value < 0x20 || scalar.value == 0x7F ? " " : (scalar.isASCII ? scalar : "?")
                }
            )
        )
    }
}

extension Reply {
    /// The longest reply line, code and CRLF included (RFC 5321 section 4.5.3.1.5).
    static let longestLine = 512

    /// Appends the wire form; a line that would be longer than 512 octets is split into several.
    public func write(to buffer: inout ByteBuffer, withEnhancedCodes: Bool = true) {
        let prefix = withEnhancedCodes ? self.enhancedText.map { $0 + " " } ?? "" : ""
        let room = Self.longestLine - 6 - prefix.utf8.count
        let code = self.code.description
        func write(_ isLast: Bool, _ text: (inout ByteBuffer) -> Void) {
            buffer.writeString(code)
            buffer.writeInteger(isLast ? UInt8(ascii: " ") : UInt8(ascii: "-"))
            buffer.writeString(prefix)
            text(&buffer)
            buffer.writeStaticString("\r\n")
        }
        for (index, line) in self.lines.enumerated() {
            let isLastLine = index == self.lines.count - 1
            if line.utf8.count <= room {
                write(isLastLine) { $0.writeString(line) }
                continue
            }
            var rest = line.utf8[...]
            while !rest.isEmpty {
                let piece = rest.prefix(room)
                rest = rest.dropFirst(room)
                write(rest.isEmpty && isLastLine) { $0.writeBytes(piece) }
            }
        }
    }
}

extension Reply: CustomStringConvertible {
    /// The reply in one line, for logs and notifications.
    public var description: String {
        [self.code.description, self.enhancedText, self.text].compactMap { $0 }.joined(separator: " ")
    }
}
