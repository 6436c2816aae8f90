/// The octets of a command line behind the verb, leading white space included.
struct ArgumentScanner {
    private let bytes: [UInt8]

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = unsafe Array(bytes) }

    /// For verbs that take no argument: anything behind them is a syntax error (RFC 5321 section 4.1.1).
    func none(_ command: Command) throws(CommandError) -> Command {
        guard self.bytes.isEmpty else { throw .badArgument("no argument allowed") }
        return command
    }

    /// The argument without leading white space; an octet that is not UTF-8 or a control character is a syntax error.
    func text(orError problem: String) throws(CommandError) -> String {
        let content = self.bytes.drop(while: CommandParser.isSpace)
        guard !content.isEmpty else { throw .badArgument(problem) }
        guard content.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }),
            let text = String(validating: content, as: UTF8.self)
        else { throw .badArgument("invalid characters") }
        return text
    }

    /// Splits `SP keyword ":" "<" path ">" *(SP parameter)` (RFC 5321 sections 4.1.1.2 and 4.1.1.3).
    ///
    /// No space is allowed on either side of the colon (section 3.3).
    func path(behind keyword: StaticString) throws(CommandError) -> (path: ArraySlice<UInt8>, rest: ArraySlice<UInt8>) {
        let length = keyword.utf8CodeUnitCount
        let content = self.bytes.drop(while: CommandParser.isSpace)
        let matches = keyword.withUTF8Buffer { expected in
            unsafe content.count > length && zip(content, expected).allSatisfy { $0 == $1 || ($0 & 0xDF) == $1 }
        }
        guard matches, content[content.startIndex + length] == UInt8(ascii: "<") else {
            throw .badArgument("the form is \(keyword)<address>")
        }
        let start = content.startIndex + length + 1
        var index = start
        var isQuoted = false
        while index < content.endIndex {
            switch content[index] {
            case UInt8(ascii: "\\") where isQuoted: index += 1
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: ">") where !isQuoted:
                let rest = content[(index + 1)...]
                guard rest.first.map(CommandParser.isSpace) ?? true else { throw .badArgument("no space behind >") }
                return (content[start..<index], rest)
            default: break
            }
            index += 1
        }
        throw .badArgument("the address does not end with >")
    }

    /// The parameters behind a path: `keyword ["=" value]`, separated by spaces (RFC 5321 section 4.1.2).
    ///
    /// - Returns: keywords in upper case; the value is `nil` where there is no `=`.
    static func parameters(_ bytes: ArraySlice<UInt8>) throws(CommandError) -> [(keyword: String, value: String?)] {
        var result: [(keyword: String, value: String?)] = []
        for word in bytes.split(whereSeparator: CommandParser.isSpace) {
            guard word.allSatisfy({ $0 > 0x20 && $0 != 0x7F }), let text = String(validating: word, as: UTF8.self)
            else {
                throw .badArgument("invalid characters in a parameter")
            }
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let keyword = parts[0].uppercased()
            guard let first = keyword.utf8.first, first != UInt8(ascii: "-"),
                keyword.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || $0 == 0x2D })
            else { throw .badArgument("malformed parameter") }
            let value = parts.count > 1 ? String(parts[1]) : nil
            if let value, value.isEmpty { throw .badArgument("\(keyword) has an empty value") }
            if result.contains(where: { $0.keyword == keyword }) { throw .badArgument("\(keyword) given twice") }
            result.append((keyword, value))
        }
        return result
    }

    /// Drops a source route `@a,@b:` in front of a mailbox (RFC 5321 sections 3.3 and 4.1.2, appendix F.2).
    static func withoutSourceRoute(_ path: ArraySlice<UInt8>) throws(CommandError) -> ArraySlice<UInt8> {
        guard path.first == UInt8(ascii: "@") else { return path }
        guard let colon = path.firstIndex(of: UInt8(ascii: ":")) else { throw .badArgument("malformed source route") }
        for hop in path[..<colon].split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            guard hop.first == UInt8(ascii: "@"), Domain(String(decoding: hop.dropFirst(), as: UTF8.self)) != nil else {
                throw .badArgument("malformed source route")
            }
        }
        return path[(colon + 1)...]
    }
}
