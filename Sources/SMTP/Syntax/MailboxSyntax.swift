/// Why an argument does not follow the grammar; the session chooses the reply code (RFC 5321 section 4.2.4).
public enum SyntaxError: Error, Hashable, Sendable {
    /// The argument is malformed: 501 5.5.4 or 5.1.3/5.1.7.
    case malformed(String)
    /// A path, a local part or a domain is longer than anything that the RFC asks to be accepted: 501 (4.5.3.1.10).
    case tooLong(String)
    /// Octets that need SMTPUTF8, which was not asked for: RFC 6531 section 3.5.
    case needsSMTPUTF8
    /// A parameter that is unknown or not implemented: 555 (RFC 5321 section 4.1.1.11).
    case unknownParameter(String)
}

/// The grammar of mailboxes and paths (RFC 5321 section 4.1.2, RFC 6531 section 3.3), over the octets of a command line.
enum MailboxSyntax {
    /// Local parts over 64 octets occur (VERP, SRS); they are accepted up to this many (RFC 5321 section 4.5.3.1.1).
    static let longestLocalPart = 256
    /// The longest path that is taken, brackets included; the RFC asks for 256 (section 4.5.3.1.3).
    static let longestPath = 768

    static func isAtext(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "/"),
            UInt8(ascii: "="), UInt8(ascii: "?"), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"),
            UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: "~"):
            true
        default:
            byte >= 0x80  // UTF8-non-ascii of RFC 6531; the caller has checked whether it is allowed
        }
    }

    /// Whether octets are `atom *("." atom)`.
    static func isDotString(_ bytes: some Sequence<UInt8>) -> Bool {
        var atAtom = false
        for byte in bytes {
            if byte == UInt8(ascii: ".") {
                guard atAtom else { return false }
                atAtom = false
            } else {
                guard self.isAtext(byte) else { return false }
                atAtom = true
            }
        }
        return atAtom
    }

    /// Parses a whole slice as `Local-part "@" ( Domain / address-literal )`.
    static func mailbox(_ bytes: ArraySlice<UInt8>, allowingUTF8: Bool) throws(SyntaxError) -> Mailbox {
        guard bytes.count <= Self.longestPath else { throw .tooLong("path") }
        if bytes.contains(where: { $0 >= 0x80 }) {
            // What is no character at all is a syntax error in any case (RFC 5321 section 4.1.2).
            guard String(validating: bytes, as: UTF8.self) != nil else { throw .malformed("not valid UTF-8") }
            guard allowingUTF8 else { throw .needsSMTPUTF8 }
        }
        var rest = bytes
        let local = try self.localPart(&rest)
        guard rest.first == UInt8(ascii: "@") else { throw .malformed("no @ in the address") }
        rest = rest.dropFirst()
        return Mailbox(localPart: local, host: try self.host(rest))
    }

    private static func localPart(_ rest: inout ArraySlice<UInt8>) throws(SyntaxError) -> LocalPart {
        let value: [UInt8]
        if rest.first == UInt8(ascii: "\"") {
            value = try self.quotedString(&rest)
            guard !value.isEmpty else { throw .malformed("empty local part") }
        } else {
            guard let end = rest.firstIndex(of: UInt8(ascii: "@")) else { throw .malformed("no @ in the address") }
            value = Array(rest[rest.startIndex..<end])
            guard self.isDotString(value) else { throw .malformed("malformed local part") }
            rest = rest[end...]
        }
        guard value.count <= Self.longestLocalPart else { throw .tooLong("local part") }
        return LocalPart(checked: String(decoding: value, as: UTF8.self))
    }

    private static func quotedString(_ rest: inout ArraySlice<UInt8>) throws(SyntaxError) -> [UInt8] {
        var value: [UInt8] = []
        var index = rest.startIndex + 1
        while index < rest.endIndex {
            switch rest[index] {
            case UInt8(ascii: "\""):
                rest = rest[(index + 1)...]
                return value
            case UInt8(ascii: "\\"):
                index += 1
                guard index < rest.endIndex, (0x20...0x7E).contains(rest[index]) else {
                    throw .malformed("malformed quoted pair")
                }
                value.append(rest[index])
            case 0x20...0x7E, 0x80...:
                value.append(rest[index])
            default:
                throw .malformed("control character in the local part")
            }
            index += 1
        }
        throw .malformed("quoted local part does not end")
    }

    private static func host(_ bytes: ArraySlice<UInt8>) throws(SyntaxError) -> MailboxHost {
        let text = String(decoding: bytes, as: UTF8.self)
        if bytes.first == UInt8(ascii: "["), bytes.last == UInt8(ascii: "]"), bytes.count > 2 {
            guard let literal = AddressLiteral(insideBrackets: text.dropFirst().dropLast()) else {
                throw .malformed("malformed address literal")
            }
            return .literal(literal)
        }
        guard bytes.count <= 255 else { throw .tooLong("domain") }
        guard let domain = Domain(text) else { throw .malformed("malformed domain") }
        return .domain(domain)
    }
}
