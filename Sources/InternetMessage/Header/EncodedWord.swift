/// Text that is not ASCII in a header field (RFC 2047), in the "Q" encoding and UTF-8.
enum EncodedWord {
    /// The longest encoded-word, its delimiters included (RFC 2047 section 2).
    static let longest = 75
    private static let opening = "=?utf-8?Q?"
    private static let closing = "?="
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// The encoded-words for a text, to be separated by white space; no character is split between two of them
    /// (RFC 2047 section 5).
    static func words(for text: String) -> [String] {
        let room = self.longest - self.opening.utf8.count - self.closing.utf8.count
        var words: [String] = []
        var current: [UInt8] = []
        for scalar in text.unicodeScalars {
            let encoded = self.encoded(scalar)
            if current.count + encoded.count > room {
                words.append(self.delimited(current))
                current = []
            }
            current += encoded
        }
        if !current.isEmpty { words.append(self.delimited(current)) }
        return words
    }

    private static func delimited(_ bytes: [UInt8]) -> String {
        self.opening + String(decoding: bytes, as: UTF8.self) + self.closing
    }

    /// Only characters that are safe in a phrase stand for themselves (RFC 2047 section 5 rule 3).
    private static func encoded(_ scalar: Unicode.Scalar) -> [UInt8] {
        if scalar == " " { return [UInt8(ascii: "_")] }
        return UTF8.encode(scalar).map { unit in
            unit.flatMap { byte -> [UInt8] in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "!"), UInt8(ascii: "*"), UInt8(ascii: "+"),
                    UInt8(ascii: "-"), UInt8(ascii: "/"):
                    [byte]
                default:
                    [UInt8(ascii: "="), self.digits[Int(byte >> 4)], self.digits[Int(byte & 0x0F)]]
                }
            }
        } ?? []
    }
}
