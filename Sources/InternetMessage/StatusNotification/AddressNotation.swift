import SMTP

/// An address with its type, as the recipient fields of a report have it: `rfc822; user@example.org` (RFC 3464 section 2.1.2),
/// or `utf-8; …` for one that is not ASCII (RFC 6533 section 3).
struct AddressNotation {
    /// Type and address.
    let text: String

    /// A mailbox, its case kept (RFC 3464 section 2.3.2).
    init(_ mailbox: Mailbox, allowingUTF8: Bool) {
        let address = mailbox.description
        if mailbox.isASCII {
            self.text = "rfc822; \(address)"
        } else {
            self.text = "utf-8; \(allowingUTF8 ? address : Self.sevenBit(address))"
        }
    }

    /// An ORCPT as received: in xtext, or for the type `utf-8` in one of the forms of RFC 6533 section 3.
    init(originalRecipient: String, allowingUTF8: Bool) {
        guard let semicolon = originalRecipient.firstIndex(of: ";") else {
            self.text = "rfc822; \(Self.sevenBit(originalRecipient))"
            return
        }
        let type = originalRecipient[..<semicolon]
        let address = originalRecipient[originalRecipient.index(after: semicolon)...]
        if type.lowercased() == "utf-8" {
            let plain = Self.plain(address)
            self.text = "utf-8; \(allowingUTF8 ? plain : Self.sevenBit(plain))"
        } else if let decoded = Xtext.decode(address), decoded.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) {
            self.text = "\(type); \(decoded)"
        } else {
            self.text = "\(Self.sevenBit(String(type))); \(Self.sevenBit(String(address)))"
        }
    }

    /// The form `utf-8-addr-xtext`: `\x{FC}` for what is not printable ASCII, or has a meaning in xtext.
    static func sevenBit(_ address: String) -> String {
        var result = ""
        for scalar in address.unicodeScalars {
            switch scalar {
            case "+", "=", "\\": result += Self.escaped(scalar)
            case "!"..."~": result.unicodeScalars.append(scalar)
            default: result += Self.escaped(scalar)
            }
        }
        return result
    }

    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        "\\x{" + String(scalar.value, radix: 16, uppercase: true) + "}"
    }

    /// Takes the escapes of `sevenBit` back; what is no escape stays.
    static func plain(_ address: some StringProtocol) -> String {
        var result = ""
        var rest = Substring(address)
        while let start = rest.firstIndex(of: "\\") {
            result += rest[..<start]
            rest = rest[start...]
            guard rest.hasPrefix("\\x{"), let end = rest.firstIndex(of: "}"),
                let value = UInt32(rest[..<end].dropFirst(3), radix: 16), let scalar = Unicode.Scalar(value)
            else {
                result += "\\"
                rest = rest.dropFirst()
                continue
            }
            result.unicodeScalars.append(scalar)
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }
}
