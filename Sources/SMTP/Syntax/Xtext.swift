/// The encoding of ENVID and ORCPT values: `+` and two hexadecimal digits for what cannot stand for itself (RFC 3461
/// section 4).
public enum Xtext {
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// The text that an xtext stands for; octets that are not UTF-8 are replaced.
    ///
    /// - Returns: `nil` where a `+` is not followed by two hexadecimal digits (either case is taken), or where a character
    ///   stands for itself that must not.
    public static func decode(_ xtext: some StringProtocol) -> String? {
        var result: [UInt8] = []
        var bytes = xtext.utf8.makeIterator()
        while let byte = bytes.next() {
            switch byte {
            case UInt8(ascii: "+"):
                guard let high = bytes.next().flatMap(self.digit), let low = bytes.next().flatMap(self.digit) else {
                    return nil
                }
                result.append(high << 4 | low)
            case UInt8(ascii: "="): return nil
            case 0x21...0x7E: result.append(byte)
            default: return nil
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// The xtext for a text.
    public static func encode(_ text: some StringProtocol) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "+"), UInt8(ascii: "="), 0...0x20, 0x7F...:
                result += [UInt8(ascii: "+"), self.digits[Int(byte >> 4)], self.digits[Int(byte & 0x0F)]]
            default:
                result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
