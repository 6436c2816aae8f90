package import NIOCore

extension HeaderSection {
    /// One header field with its octets (RFC 5322 section 2.2).
    public struct Field: Hashable, Sendable {
        /// The field as it stands in the message, line end included.
        package let raw: ByteBuffer
        /// Octets of the name; 0 for a line that is no field.
        private let nameLength: Int
        /// Where the value begins in `raw`.
        private let valueOffset: Int

        /// Takes a line with the lines that continue it.
        init(raw: ByteBuffer) {
            self.raw = raw
            (self.nameLength, self.valueOffset) = unsafe raw.withUnsafeReadableBytes { bytes in
                let colon = UInt8(ascii: ":")
                // Printable octets but the colon, then a colon; white space between them is obsolete but allowed (section 4.5).
                var nameEnd = 0
                while nameEnd < bytes.count, unsafe (0x21...0x7E).contains(bytes[nameEnd]) && bytes[nameEnd] != colon {
                    nameEnd += 1
                }
                var gapEnd = nameEnd
                while gapEnd < bytes.count, unsafe bytes[gapEnd] == 0x20 || bytes[gapEnd] == 0x09 { gapEnd += 1 }
                let isField = unsafe nameEnd > 0 && gapEnd < bytes.count && bytes[gapEnd] == colon
                return isField ? (nameEnd, gapEnd + 1) : (0, 0)
            }
        }

        /// The name as written; empty for a line that is no field.
        public var name: String { String(decoding: self.raw.readableBytesView.prefix(self.nameLength), as: UTF8.self) }

        /// The unfolded value, without leading and trailing white space; octets that are not UTF-8 are replaced.
        ///
        /// For a line that is no field, the whole line.
        public var value: String {
            let unfolded = self.raw.readableBytesView.dropFirst(self.valueOffset).filter { $0 != 0x0D && $0 != 0x0A }
            let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
            let end = unfolded.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? 0
            return String(decoding: unfolded[..<end].drop(while: isSpace), as: UTF8.self)
        }

        /// Whether the line is a field at all, as RFC 5322 section 2.2 has it.
        public var isWellFormed: Bool { self.nameLength > 0 }

        /// Whether the field has a name, compared without regard to case.
        public func isNamed(_ name: String) -> Bool {
            guard self.nameLength > 0, name.utf8.count == self.nameLength else { return false }
            return zip(self.raw.readableBytesView, name.utf8).allSatisfy { Self.lowercased($0) == Self.lowercased($1) }
        }

        private static func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }
    }
}
