import Glibc
public import NIOCore

/// The header section of a message (RFC 5322 section 2.2): what stands before the first empty line.
///
/// Nothing is ever refused (RFC 5321 sections 3.3 and 3.7.2): a line that is no field is kept as a nameless one. Every field
/// keeps its octets, so what nobody edited is written as it came.
public struct HeaderSection: Hashable, Sendable {
    /// The most octets that are taken as header fields; what follows counts as body.
    public static let mostOctets = 256 * 1024
    /// The most fields that are taken; what follows counts as body.
    public static let mostFields = 10_000

    /// The fields in order, malformed lines among them.
    public internal(set) var fields: [Field]
    /// Octets that the section took in the message, the empty line included: the offset of the body.
    ///
    /// Edits do not change it.
    public let length: Int
    /// The empty line as it came; no octets where the message has none, or where a limit was reached before it.
    private let separator: ByteBuffer

    /// A section without fields, for a message that is yet to be written.
    public init() {
        self.fields = []
        self.length = 0
        self.separator = ByteBuffer(bytes: [0x0D, 0x0A])
    }

    /// Parses the start of a message up to the first empty line; does not consume the buffer.
    ///
    /// - Parameter message: a whole message, or so much of its start that the header section is in it.
    public init(parsing message: ByteBuffer) {
        var rest = message
        var fields: [Field] = []
        var separator = ByteBuffer()
        unsafe message.withUnsafeReadableBytes { bytes in
            while fields.count < Self.mostFields {
                let start = bytes.count - rest.readableBytes
                guard let end = unsafe Self.lineEnd(bytes, from: start) else { break }
                if unsafe Self.isEmptyLine(bytes, start..<end) {
                    separator = rest.readSlice(length: end - start) ?? ByteBuffer()
                    break
                }
                let fieldEnd = unsafe Self.fieldEnd(bytes, from: start, firstLineEnd: end)
                guard fieldEnd <= Self.mostOctets, let raw = rest.readSlice(length: fieldEnd - start) else { break }
                fields.append(Field(raw: raw))
            }
        }
        self.fields = fields
        self.separator = separator
        self.length = message.readableBytes - rest.readableBytes
    }

    /// Appends the section to a buffer: unedited fields as they came, then the empty line if there was one.
    public func write(into buffer: inout ByteBuffer) {
        for (index, field) in self.fields.enumerated() {
            buffer.writeImmutableBuffer(field.raw)
            let isLast = index == self.fields.count - 1 && self.separator.readableBytes == 0
            if !isLast, field.raw.readableBytesView.last != 0x0A { buffer.writeStaticString("\r\n") }
        }
        buffer.writeImmutableBuffer(self.separator)
    }

    /// Where the next line ends, its LF included: with the octets, where no LF follows; `nil` where no octet does.
    private static func lineEnd(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard start < bytes.count, let base = bytes.baseAddress else { return nil }
        let newline = unsafe memchr(base + start, 0x0A, bytes.count - start)
        return unsafe newline.map { unsafe UnsafeRawPointer($0) - base + 1 } ?? bytes.count
    }

    private static func isEmptyLine(_ bytes: UnsafeRawBufferPointer, _ line: Range<Int>) -> Bool {
        switch line.count {
        case 1: unsafe bytes[line.lowerBound] == 0x0A
        case 2: unsafe bytes[line.lowerBound] == 0x0D && bytes[line.lowerBound + 1] == 0x0A
        default: false
        }
    }

    /// Where a line ends with the lines that continue it: those that begin with white space (RFC 5322 section 2.2.3).
    private static func fieldEnd(_ bytes: UnsafeRawBufferPointer, from start: Int, firstLineEnd: Int) -> Int {
        var end = firstLineEnd
        while end < bytes.count, unsafe bytes[end] == 0x20 || bytes[end] == 0x09 {
            guard end - start <= Self.mostOctets else { break }  // over the limit: no need for its end
            end = unsafe Self.lineEnd(bytes, from: end) ?? bytes.count
        }
        return end
    }
}

extension HeaderSection {
    /// The first field of a name; names are compared without regard to case (RFC 5322 section 1.2.2).
    public func first(named name: String) -> Field? { self.fields.first { $0.isNamed(name) } }

    /// All fields of a name, from the top.
    public func all(named name: String) -> [Field] { self.fields.filter { $0.isNamed(name) } }

    /// How many fields have a name.
    public func count(named name: String) -> Int { self.fields.count { $0.isNamed(name) } }
}

extension HeaderSection {
    /// Whether there is one field TLS-Required, and it says `No` (RFC 8689 section 3).
    public var saysTLSOptional: Bool {
        let fields = self.fields.filter { $0.isNamed("TLS-Required") }
        guard fields.count == 1, let value = fields.first?.value else { return false }
        return value.filter { !$0.isWhitespace }.lowercased() == "no"
    }
}
