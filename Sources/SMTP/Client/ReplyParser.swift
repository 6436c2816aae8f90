package import NIOCore

/// Why octets from a server are not a reply.
package enum ReplySyntaxError: Error, Hashable, Sendable {
    /// No three digits, or another code in the same reply (RFC 5321 section 4.2.1).
    case malformed
    /// A line or a reply beyond all reason.
    case tooLong
}

/// Cuts replies out of received octets (RFC 5321 section 4.2): codes without text and multi-line replies included.
package struct ReplyParser: Sendable {
    /// The longest line that is taken; servers should send at most 512 octets (section 4.5.3.1.5).
    static let longestLine = 4096
    /// The most lines of one reply.
    static let mostLines = 512

    private var code: Int?
    private var lines: [String] = []

    package init() {}

    /// The next whole reply; `nil` while there is none.
    ///
    /// - Throws: where the octets cannot be a reply; nothing more can be understood on the connection.
    package mutating func next(in input: inout ByteBuffer) throws(ReplySyntaxError) -> Reply? {
        while let line = try Self.line(in: &input) {
            let (code, isLast, text) = try Self.parse(line)
            if let first = self.code, first != code { throw .malformed }
            self.code = code
            self.lines.append(text)
            guard self.lines.count <= Self.mostLines else { throw .tooLong }
            if isLast { return self.finish(code) }
        }
        return nil
    }

    private mutating func finish(_ code: Int) -> Reply {
        let lines = self.lines
        self.code = nil
        self.lines = []
        guard let (enhanced, rest) = Self.enhanced(lines, code: code) else {
            return Reply(received: ReplyCode(received: code), nil, lines: lines)
        }
        return Reply(received: ReplyCode(received: code), enhanced, lines: rest)
    }

    private static func line(in input: inout ByteBuffer) throws(ReplySyntaxError) -> ByteBuffer? {
        let length = input.readableBytesView.firstIndex(of: 0x0A).map { $0 - input.readerIndex }
        guard let length else {
            guard input.readableBytes <= Self.longestLine else { throw .tooLong }
            return nil
        }
        guard length <= Self.longestLine, var line = input.readSlice(length: length) else { throw .tooLong }
        input.moveReaderIndex(forwardBy: 1)
        if line.readableBytesView.last == 0x0D { line.moveWriterIndex(to: line.writerIndex - 1) }
        return line
    }

    private static func parse(_ line: ByteBuffer) throws(ReplySyntaxError) -> (code: Int, isLast: Bool, text: String) {
        let bytes = line.readableBytesView
        var code = 0
        guard bytes.count >= 3 else { throw .malformed }
        for byte in bytes.prefix(3) {
            guard (0x30...0x39).contains(byte) else { throw .malformed }
            code = code * 10 + Int(byte) - 0x30
        }
        let separator = bytes.dropFirst(3).first
        guard separator == nil || separator == 0x20 || separator == 0x2D || separator == 0x09 else { throw .malformed }
        return (code, separator != 0x2D, String(decoding: bytes.dropFirst(4), as: UTF8.self))
    }

    /// The enhanced code in front of the text, where its class fits (RFC 2034 section 4), and the text without it.
    private static func enhanced(_ lines: [String], code: Int) -> (EnhancedStatusCode, [String])? {
        guard let word = lines.last?.prefix(while: { $0 != " " }), word.utf8.count <= 11 else { return nil }
        let parts = word.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].utf8.elementsEqual("\(code / 100)".utf8), let subject = Int(parts[1]),
            let detail = Int(parts[2]), (0...999).contains(subject), (0...999).contains(detail)
        else { return nil }
        return (
            EnhancedStatusCode(subject, detail),
            lines.map { line in line.hasPrefix(word) ? String(line.dropFirst(word.count).drop { $0 == " " }) : line }
        )
    }
}
