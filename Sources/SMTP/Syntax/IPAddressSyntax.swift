/// Text forms of IP addresses (RFC 5321 section 4.1.3, RFC 4291 section 2.2, RFC 5952).
enum IPAddressSyntax {
    static func ipv4(_ text: some StringProtocol) -> UInt32? {
        var value: UInt32 = 0
        var parts = 0
        for part in text.split(separator: ".", maxSplits: 4, omittingEmptySubsequences: false) {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                return nil
            }
            guard let octet = UInt8(part) else { return nil }
            value = value << 8 | UInt32(octet)
            parts += 1
        }
        return parts == 4 ? value : nil
    }

    static func ipv6(_ text: some StringProtocol) -> (high: UInt64, low: UInt64)? {
        guard text.utf8.count <= 45 else { return nil }
        let halves = self.split(text)
        guard let halves, let head = self.groups(halves.head), let tail = self.groups(halves.tail ?? "") else {
            return nil
        }
        var all = head
        if halves.tail == nil {
            guard head.count == 8 else { return nil }
        } else {
            guard head.count + tail.count <= 7 else { return nil }
            all += [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail
        }
        let high = all[..<4].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
        let low = all[4...].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
        return (high, low)
    }

    /// The text before and behind the one `::`; `tail` is `nil` where there is none, the whole `nil` where there are two.
    private static func split(_ text: some StringProtocol) -> (head: String, tail: String?)? {
        let bytes = Array(text.utf8)
        guard let gap = bytes.indices.dropLast().first(where: { bytes[$0] == 0x3A && bytes[$0 + 1] == 0x3A }) else {
            return (String(text), nil)
        }
        let head = String(decoding: bytes[..<gap], as: UTF8.self)
        let tail = String(decoding: bytes[(gap + 2)...], as: UTF8.self)
        return tail.contains("::") || tail.hasPrefix(":") ? nil : (head, tail)
    }

    private static func groups(_ text: String) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        var result: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if part.utf8.contains(0x2E) {
                guard index == parts.count - 1, let value = self.ipv4(part) else { return nil }
                result += [UInt16(truncatingIfNeeded: value >> 16), UInt16(truncatingIfNeeded: value)]
            } else {
                guard (1...4).contains(part.utf8.count), part.allSatisfy(\.isHexDigit),
                    part.utf8.allSatisfy({ $0 < 0x80 }),
                    let value = UInt16(part, radix: 16)
                else { return nil }
                result.append(value)
            }
        }
        return result.count <= 8 ? result : nil
    }

    static func text(ipv4 value: UInt32) -> String {
        "\(value >> 24).\(value >> 16 & 0xFF).\(value >> 8 & 0xFF).\(value & 0xFF)"
    }

    /// The canonical text form of RFC 5952: lower case, the longest run of two or more zero groups shortened.
    static func text(high: UInt64, low: UInt64) -> String {
        let groups = [high, low].flatMap { half in
            stride(from: 48, through: 0, by: -16).map { UInt16(truncatingIfNeeded: half >> UInt64($0)) }
        }
        var best = 0..<0
        var index = 0
        while index < 8 {
            var end = index
            while end < 8, groups[end] == 0 { end += 1 }
            if end - index > max(best.count, 1) { best = index..<end }
            index = max(end, index + 1)
        }
        let hex = { (slice: ArraySlice<UInt16>) in slice.map { String($0, radix: 16) }.joined(separator: ":") }
        return best.isEmpty
            ? hex(groups[...]) : hex(groups[..<best.lowerBound]) + "::" + hex(groups[best.upperBound...])
    }
}
