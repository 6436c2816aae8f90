/// Which values are xtext, and which are an ORCPT (RFC 3461 sections 4 and 4.2, RFC 6533 section 3).
enum XtextSyntax {
    /// Whether the octets are `*( xchar / hexchar )`.
    static func isXtext(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "+"):
                guard index + 2 < bytes.count, Self.isUpperHex(bytes[index + 1]), Self.isUpperHex(bytes[index + 2])
                else {
                    return false
                }
                index += 3
            case UInt8(ascii: "="): return false
            case 0x21...0x7E: index += 1
            default: return false
            }
        }
        return !bytes.isEmpty
    }

    /// Whether the value is `addr-type ";" xtext`, or a `utf-8` address in one of its forms where SMTPUTF8 is in use.
    static func isOriginalRecipient(_ text: String, _ isInternationalized: Bool) -> Bool {
        let parts = text.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, parts[0].utf8.allSatisfy({ MailboxSyntax.isAtext($0) && $0 < 0x80 })
        else {
            return false
        }
        if parts[0].lowercased() == "utf-8" {
            return parts[1].utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && ($0 < 0x80 || isInternationalized) }
                && !parts[1].isEmpty
        }
        return self.isXtext(String(parts[1]))
    }

    private static func isUpperHex(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte)
    }
}
