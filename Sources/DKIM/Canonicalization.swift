import InternetMessage
import NIOCore

/// The canonicalisation `relaxed`: what may change on the way without breaking a signature (RFC 6376 section 3.4).
enum Relaxed {
    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// A header field: the name in lower case, the value unfolded with single spaces, without a line end (section 3.4.2).
    ///
    /// - Returns: `nil` for a line that is no field.
    static func field(_ raw: some Collection<UInt8>) -> [UInt8]? {
        guard let colon = raw.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let name = raw[..<colon].filter { !Self.isSpace($0) }.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        let value = raw[raw.index(after: colon)...].filter { $0 != 0x0D && $0 != 0x0A }
        return name + [UInt8(ascii: ":")] + Self.reduced(value.drop(while: Self.isSpace))
    }

    /// White space as one space, and none at the end.
    private static func reduced(_ line: some Sequence<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var isPending = false
        for byte in line {
            if Self.isSpace(byte) {
                isPending = true
            } else {
                if isPending { result.append(0x20) }
                isPending = false
                result.append(byte)
            }
        }
        return result
    }

    /// A body: lines with single spaces and none at their ends, without empty lines at the end (section 3.4.4).
    static func body(_ body: some BidirectionalCollection<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(body.count + 2)
        var emptyLines = 0
        for line in body.split(separator: 0x0A, omittingEmptySubsequences: false) {
            let reduced = Self.reduced(line.last == 0x0D ? line.dropLast() : line)
            if reduced.isEmpty {
                emptyLines += 1
                continue
            }
            for _ in 0..<emptyLines { result += [0x0D, 0x0A] }
            emptyLines = 0
            result += reduced
            result += [0x0D, 0x0A]
        }
        return result
    }
}
