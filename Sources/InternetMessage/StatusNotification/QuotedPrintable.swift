import NIOCore

/// The quoted-printable encoding (RFC 2045 section 6.7): any octets in lines of at most 76 ASCII characters.
enum QuotedPrintable {
    private static let longestLine = 76
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// Appends the encoded octets: CRLF, and LF alone, stay line ends; any other control character is encoded.
    static func write(_ bytes: some Collection<UInt8>, into buffer: inout ByteBuffer) {
        var line: [UInt8] = []
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            let next = bytes.index(after: index)
            if byte == 0x0A || (byte == 0x0D && next < bytes.endIndex && bytes[next] == 0x0A) {
                self.endLine(&line, into: &buffer)
                index = byte == 0x0A ? next : bytes.index(after: next)
                continue
            }
            let encoded = self.encoded(byte)
            if line.count + encoded.count > self.longestLine - 1 {
                buffer.writeBytes(line)
                buffer.writeStaticString("=\r\n")
                line.removeAll(keepingCapacity: true)
            }
            line += encoded
            index = next
        }
        if !line.isEmpty { self.endLine(&line, into: &buffer) }
    }

    /// White space at the end of a line would get lost on the way (RFC 2045 section 6.7 rule 3).
    private static func endLine(_ line: inout [UInt8], into buffer: inout ByteBuffer) {
        if let last = line.last, last == 0x20 || last == 0x09 {
            line.removeLast()
            if line.count + 3 > self.longestLine {
                buffer.writeBytes(line)
                buffer.writeStaticString("=\r\n")
                line.removeAll(keepingCapacity: true)
            }
            line += self.escaped(last)
        }
        buffer.writeBytes(line)
        buffer.writeStaticString("\r\n")
        line.removeAll(keepingCapacity: true)
    }

    private static func encoded(_ byte: UInt8) -> [UInt8] {
        switch byte {
        case UInt8(ascii: "="): self.escaped(byte)
        case 0x09, 0x20...0x7E: [byte]
        default: self.escaped(byte)
        }
    }

    private static func escaped(_ byte: UInt8) -> [UInt8] {
        [UInt8(ascii: "="), self.digits[Int(byte >> 4)], self.digits[Int(byte & 0x0F)]]
    }
}
