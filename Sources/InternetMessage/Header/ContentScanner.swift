import Glibc
public import NIOCore

/// What the hub must know about the content of a message before it takes it, and nothing more: a relay does not look into
/// messages beyond this (RFC 5321 section 3.6.3).
public struct ContentTraits: Hashable, Sendable {
    /// Octets in all, line ends counted (RFC 1870 section 5).
    public internal(set) var size = 0
    /// Octets of the header section with the empty line that ends it, so the offset of the body; `nil` while no empty line
    /// was seen.
    public internal(set) var headerLength: Int?
    /// `Received` fields in the header section: a message with 100 or more of them is looping (RFC 5321 section 6.3).
    public internal(set) var receivedCount = 0
    /// `TLS-Required` fields in the header section (RFC 8689 section 3).
    public internal(set) var tlsRequiredCount = 0
    /// Whether the header section has octets over 127: then it needs SMTPUTF8 (RFC 6531 section 3.2).
    public internal(set) var has8BitHeader = false
    /// Whether the body has octets over 127: then it needs 8BITMIME (RFC 6152 section 3).
    public internal(set) var has8BitBody = false
    /// The longest line in octets, without its line end; RFC 5321 section 4.5.3.1.6 allows 998.
    public internal(set) var longestLine = 0

    /// The traits of no content at all.
    public init() {}

    /// The traits of a whole message.
    public init(of message: ByteBuffer) {
        var scanner = ContentScanner()
        scanner.scan(message)
        self = scanner.traits
    }
}

/// Finds the traits of a message in one pass, piece by piece as it arrives; needs no memory for what it has seen.
///
/// Lines end with LF, with or without a CR before it: the first line that is empty in this sense ends the header section.
public struct ContentScanner: Sendable {
    /// What was found so far.
    public private(set) var traits = ContentTraits()
    /// Octets of the unfinished line in earlier pieces.
    private var lineLength = 0
    /// How many octets of the unfinished line match the name of a field that is counted.
    private var matched = 0
    /// Whether that name is `tlsRequiredName`, not `receivedName`.
    private var mayBeTLSRequired = false
    /// The last octet of the earlier pieces.
    private var last: UInt8 = 0

    private static let receivedName = Array("received:".utf8)
    private static let tlsRequiredName = Array("tls-required:".utf8)

    /// Nothing seen yet.
    public init() {}

    /// Takes the readable octets of the next piece; where it is cut does not matter.
    public mutating func scan(_ piece: ByteBuffer) {
        unsafe piece.withUnsafeReadableBytes { bytes in unsafe self.scan(bytes) }
    }

    private mutating func scan(_ bytes: UnsafeRawBufferPointer) {
        self.traits.size += bytes.count
        var start = 0
        while start < bytes.count, self.traits.headerLength == nil {
            start = unsafe self.headerLine(bytes, from: start)
        }
        guard start < bytes.count else { return }
        if !self.traits.has8BitBody {
            self.traits.has8BitBody = unsafe Self.has8BitOctets(bytes, start..<bytes.count)
        }
        unsafe self.bodyLines(bytes, from: start)
    }

    /// Takes one line of the header section, or what there is of it; returns where the next one starts.
    private mutating func headerLine(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        let newline = unsafe Self.newline(bytes, from: start)
        let end = newline ?? bytes.count
        if !self.traits.has8BitHeader { self.traits.has8BitHeader = unsafe Self.has8BitOctets(bytes, start..<end) }
        var index = start
        while self.matched == self.lineLength + index - start, index < end {
            let octet = unsafe bytes[index] | 0x20
            if self.matched == 0 { self.mayBeTLSRequired = octet == UInt8(ascii: "t") }
            let name = self.mayBeTLSRequired ? Self.tlsRequiredName : Self.receivedName
            guard self.matched < name.count, octet == name[self.matched] | 0x20 else { break }
            self.matched += 1
            index += 1
        }
        guard newline != nil else {
            unsafe self.keepUnfinishedLine(bytes, from: start)
            return end
        }
        if self.mayBeTLSRequired {
            if self.matched == Self.tlsRequiredName.count { self.traits.tlsRequiredCount += 1 }
        } else if self.matched == Self.receivedName.count {
            self.traits.receivedCount += 1
        }
        let length = unsafe self.finishLine(bytes, from: start, to: end)
        if length == 0 { self.traits.headerLength = self.traits.size - bytes.count + end + 1 }
        return end + 1
    }

    private mutating func bodyLines(_ bytes: UnsafeRawBufferPointer, from first: Int) {
        var start = first
        while let end = unsafe Self.newline(bytes, from: start) {
            _ = unsafe self.finishLine(bytes, from: start, to: end)
            start = end + 1
        }
        if start < bytes.count { unsafe self.keepUnfinishedLine(bytes, from: start) }
    }

    /// Ends the line whose LF is at `end`; returns its length without the line end.
    private mutating func finishLine(_ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int) -> Int {
        var length = self.lineLength + end - start
        let beforeEnd = end > start ? unsafe bytes[end - 1] : self.last
        if length > 0, beforeEnd == 0x0D { length -= 1 }
        self.traits.longestLine = max(self.traits.longestLine, length)
        self.lineLength = 0
        self.matched = 0
        return length
    }

    private mutating func keepUnfinishedLine(_ bytes: UnsafeRawBufferPointer, from start: Int) {
        self.lineLength += bytes.count - start
        self.last = unsafe bytes[bytes.count - 1]
        self.traits.longestLine = max(self.traits.longestLine, self.lineLength - (self.last == 0x0D ? 1 : 0))
    }

    /// The offset of the next LF.
    private static func newline(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard start < bytes.count, let base = bytes.baseAddress else { return nil }
        guard let found = unsafe memchr(base + start, 0x0A, bytes.count - start) else { return nil }
        return unsafe UnsafeRawPointer(found) - base
    }

    /// Whether an octet of the range is over 127; looks at eight of them at a time.
    private static func has8BitOctets(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        var word: UInt64 = 0
        var index = range.lowerBound
        while index + 8 <= range.upperBound {
            word |= unsafe bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            index += 8
        }
        while index < range.upperBound {
            word |= UInt64(unsafe bytes[index])
            index += 1
        }
        return word & 0x8080_8080_8080_8080 != 0
    }
}
