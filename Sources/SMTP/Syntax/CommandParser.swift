/// Parses command lines (RFC 5321 section 4.1.1, RFC 1870, 3030, 3461, 6152, 6531).
///
/// Works on the octets of one line without its CRLF; makes strings for addresses and arguments only.
package enum CommandParser {
    /// Parses a line.
    ///
    /// - Parameter isInternationalized: whether the open transaction was begun with SMTPUTF8; decides for RCPT.
    package static func parse(
        _ line: UnsafeRawBufferPointer,
        isInternationalized: Bool
    ) throws(CommandError) -> Command {
        var end = line.count
        while end > 0, unsafe Self.isSpace(line[end - 1]) { end -= 1 }  // trailing white space: RFC 5321 section 4.1.1
        var verbEnd = 0
        while verbEnd < end, unsafe !Self.isSpace(line[verbEnd]) { verbEnd += 1 }
        guard verbEnd == 4 else {
            return try unsafe self.longVerb(
                UnsafeRawBufferPointer(rebasing: line[..<verbEnd]),
                ArgumentScanner(UnsafeRawBufferPointer(rebasing: line[verbEnd..<end]))
            )
        }
        var verb: UInt32 = 0
        for index in 0..<4 { verb = unsafe verb << 8 | UInt32(line[index] & 0xDF) }
        let argument = unsafe ArgumentScanner(UnsafeRawBufferPointer(rebasing: line[verbEnd..<end]))
        switch verb {
        case Self.verb("MAIL"): return try SenderArgument.parse(argument)
        case Self.verb("RCPT"): return try RecipientArgument.parse(argument, isInternationalized: isInternationalized)
        case Self.verb("DATA"): return try argument.none(.data)
        case Self.verb("BDAT"): return try self.chunk(argument)
        case Self.verb("RSET"): return try argument.none(.rset)
        case Self.verb("QUIT"): return try argument.none(.quit)
        case Self.verb("NOOP"): return .noop
        case Self.verb("EHLO"): return .ehlo(try self.hello(argument))
        case Self.verb("HELO"): return .helo(try self.hello(argument))
        case Self.verb("LHLO"): return .lhlo(try self.hello(argument))
        case Self.verb("VRFY"): return .vrfy(try argument.text(orError: "VRFY needs an argument"))
        case Self.verb("EXPN"): return .expn(try argument.text(orError: "EXPN needs an argument"))
        case Self.verb("HELP"): return .help
        case Self.verb("SEND"), Self.verb("SOML"), Self.verb("SAML"), Self.verb("TURN"), Self.verb("ETRN"),
            Self.verb("ATRN"):
            return .notImplemented
        case Self.verb("AUTH"): return try self.authentication(argument)
        case Self.verb("POST"), Self.verb("HEAD"): return .foreign
        default: throw .unrecognized
        }
    }

    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func verb(_ text: StaticString) -> UInt32 {
        text.withUTF8Buffer { bytes in unsafe bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } }
    }

    private static func longVerb(
        _ verb: UnsafeRawBufferPointer,
        _ argument: borrowing ArgumentScanner
    ) throws(CommandError) -> Command {
        switch unsafe String(decoding: verb, as: UTF8.self).uppercased() {
        case "STARTTLS": return try argument.none(.starttls)
        case "GET", "PUT", "CONNECT", "OPTIONS", "DELETE", "PATCH": return .foreign
        default: throw .unrecognized
        }
    }

    /// The argument of EHLO, HELO and LHLO: a domain or an address literal (RFC 5321 section 4.1.1.1).
    ///
    /// Names that are not quite domains (underscores, single labels) are common and are taken: refusing mail for them is
    /// not allowed (section 4.1.4). What cannot be a name at all is a syntax error.
    private static func hello(_ argument: borrowing ArgumentScanner) throws(CommandError) -> String {
        let text = try argument.text(orError: "a domain or an address literal is needed")
        guard text.utf8.count <= 255 else { throw .tooLong("domain name too long") }
        if text.hasPrefix("[") {
            guard text.hasSuffix("]"), AddressLiteral(insideBrackets: text.dropFirst().dropLast()) != nil else {
                throw .badArgument("malformed address literal")
            }
            return text
        }
        let isName = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: ":"):
                true
            default: false
            }
        }
        guard isName else { throw .badArgument("a domain or an address literal is needed") }
        return text
    }

    /// `AUTH SP mechanism [SP initial-response]` (RFC 4954 section 4).
    private static func authentication(_ argument: borrowing ArgumentScanner) throws(CommandError) -> Command {
        let words = try argument.text(orError: "AUTH needs a mechanism").split { $0 == " " || $0 == "\t" }
        guard let mechanism = words.first, (1...20).contains(mechanism.utf8.count), words.count <= 2 else {
            throw .badArgument("AUTH takes a mechanism, and an initial response perhaps")
        }
        return .auth(mechanism: mechanism.uppercased(), initial: words.count == 2 ? String(words[1]) : nil)
    }

    /// `BDAT SP chunk-size [SP LAST]` (RFC 3030 section 2).
    private static func chunk(_ argument: borrowing ArgumentScanner) throws(CommandError) -> Command {
        let words = try argument.text(orError: "BDAT needs a size").split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard let first = words.first, first.utf8.count <= 18, first.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let size = Int(first)
        else { throw .badArgument("malformed chunk size") }
        switch words.count {
        case 1: return .bdat(size: size, isLast: false)
        case 2 where words[1].uppercased() == "LAST": return .bdat(size: size, isLast: true)
        default: throw .badArgument("malformed BDAT argument")
        }
    }
}
