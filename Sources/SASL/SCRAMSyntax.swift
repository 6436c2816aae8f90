/// What both sides of SCRAM, and the bearer mechanisms, read and write (RFC 5802 section 7).
enum SCRAMSyntax {
    /// The value of an attribute, `NAME=VALUE`; `nil` where it is another one.
    static func attribute(_ name: Character, _ part: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard part.count >= 2, part.first == name.asciiValue, part.dropFirst().first == UInt8(ascii: "=") else {
            return nil
        }
        return part.dropFirst(2)
    }

    /// A name as `saslname`: `=2C` is a comma, `=3D` an equals sign (section 5.1).
    static func escaped(_ name: String) -> String {
        name.replacing("=", with: "=3D").replacing(",", with: "=2C")
    }

    /// The prepared name that a `saslname` stands for; `nil` where it is none.
    static func name(_ octets: ArraySlice<UInt8>) -> String? {
        var result: [UInt8] = []
        var rest = octets
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "=") else {
                result.append(octet)
                continue
            }
            switch (rest.popFirst(), rest.popFirst()) {
            case (UInt8(ascii: "2"), UInt8(ascii: "C")): result.append(UInt8(ascii: ","))
            case (UInt8(ascii: "3"), UInt8(ascii: "D")): result.append(UInt8(ascii: "="))
            default: return nil
            }
        }
        return String(validating: result, as: UTF8.self).flatMap { Prepared.text($0) }
    }
}
