/// The grammar of domain names (RFC 5321 section 4.1.2, RFC 1123 section 2.1, RFC 5891).
enum DomainSyntax {
    /// The lower-case A-label form of a name, or `nil` where the text is not one.
    static func canonical(_ text: some StringProtocol, allowingUTF8: Bool) -> String? {
        guard !text.isEmpty, text.utf8.count <= 255 else { return nil }
        if let ascii = self.asciiCanonical(text) { return ascii.isEmpty ? nil : ascii }
        return allowingUTF8 ? self.internationalCanonical(text) : nil
    }

    /// The fast path.
    ///
    /// `nil` where the name is not ASCII, an empty string where it is malformed.
    private static func asciiCanonical(_ text: some StringProtocol) -> String? {
        var result: [UInt8] = []
        result.reserveCapacity(text.utf8.count)
        var labelLength = 0
        var last: UInt8 = 0
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                result.append(byte)
                labelLength += 1
            case UInt8(ascii: "A")...UInt8(ascii: "Z"):
                result.append(byte | 0x20)
                labelLength += 1
            case UInt8(ascii: "-"):
                guard labelLength > 0 else { return "" }
                result.append(byte)
                labelLength += 1
            case UInt8(ascii: "."):
                guard labelLength > 0, last != UInt8(ascii: "-") else { return "" }
                result.append(byte)
                labelLength = 0
            case 0x80...:
                return nil
            default:
                return ""
            }
            guard labelLength <= 63 else { return "" }
            last = byte
        }
        guard labelLength > 0, last != UInt8(ascii: "-") else { return "" }
        return String(decoding: result, as: UTF8.self)
    }

    private static func internationalCanonical(_ text: some StringProtocol) -> String? {
        var labels: [String] = []
        for label in text.split(separator: ".", omittingEmptySubsequences: false) {
            if label.utf8.allSatisfy({ $0 < 0x80 }) {
                guard let ascii = self.asciiCanonical(label), !ascii.isEmpty else { return nil }
                labels.append(ascii)
            } else {
                guard let encoded = Punycode.aLabel(of: label) else { return nil }
                labels.append(encoded)
            }
        }
        let joined = labels.joined(separator: ".")
        return joined.utf8.count <= 255 ? joined : nil
    }
}
