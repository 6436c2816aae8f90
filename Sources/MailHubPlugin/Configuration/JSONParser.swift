/// Why a text is not JSON.
package struct JSONSyntaxError: Error, Hashable, Sendable {
    package let position: SourcePosition
    /// The JSON path of the value that is being read there.
    package let path: String
    package let message: String
    package let fix: String
}

/// Parses JSON strictly, keeping places: no comments, no trailing commas, no key twice.
package struct JSONParser {
    /// The deepest nesting that is taken.
    private static let deepest = 64

    private let bytes: [UInt8]
    private var index = 0
    private var line = 1
    private var lineStart = 0
    private var path = "$"
    private var repetitions: [JSONSyntaxError] = []

    /// Parses a whole text.
    ///
    /// - Returns: the value, with the keys that stand twice: what is wrong behind them is found all the same.
    package static func parse(
        _ bytes: [UInt8]
    ) throws(JSONSyntaxError) -> (node: JSONNode, repetitions: [JSONSyntaxError]) {
        var parser = JSONParser(bytes)
        if bytes.starts(with: [0xFE, 0xFF]) || bytes.starts(with: [0xFF, 0xFE]) {
            throw parser.error("the file is UTF-16", fix: "save the file as UTF-8")
        }
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            parser.index = 3
            parser.lineStart = 3
        }
        let node = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.index == bytes.count else {
            throw parser.error("text behind the end of the configuration", fix: "remove it")
        }
        return (node, parser.repetitions)
    }

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// A place in the line whose column is known: so that long lines are counted once.
    private var counted = (index: 0, column: 1)

    private var position: SourcePosition {
        SourcePosition(line: self.line, column: self.column(from: self.counted))
    }

    private func column(from known: (index: Int, column: Int)) -> Int {
        let start = min(self.lineStart, self.index)
        let (from, column) = known.index < start || known.index > self.index ? (start, 1) : known
        // UTF-8 continuation octets are no columns of their own.
        return column + self.bytes[from..<self.index].count { $0 & 0xC0 != 0x80 }
    }

    /// The present place, from which the next one is counted.
    private mutating func mark() -> SourcePosition {
        let position = self.position
        self.counted = (self.index, position.column)
        return position
    }

    private var next: UInt8? { self.index < self.bytes.count ? self.bytes[self.index] : nil }

    private func error(_ message: String, fix: String) -> JSONSyntaxError {
        JSONSyntaxError(position: self.position, path: self.path, message: message, fix: fix)
    }

    private mutating func skipSpace() {
        while let byte = self.next {
            switch byte {
            case 0x20, 0x09, 0x0D: self.index += 1
            case 0x0A:
                self.index += 1
                self.line += 1
                self.lineStart = self.index
            default: return
            }
        }
    }

    private mutating func value(depth: Int) throws(JSONSyntaxError) -> JSONNode {
        self.skipSpace()
        guard depth < Self.deepest else {
            throw self.error("nested too deeply", fix: "remove brackets: no setting is nested so deeply")
        }
        let position = self.mark()
        let value: JSONNode.Value
        guard let first = self.next else {
            throw self.error("the text ends where a value is expected", fix: "complete the file")
        }
        switch first {
        case UInt8(ascii: "{"): value = try self.object(depth: depth)
        case UInt8(ascii: "["): value = try self.array(depth: depth)
        case UInt8(ascii: "\""): value = .string(try self.string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): value = .number(try self.number())
        case UInt8(ascii: "t"): value = try self.word("true", .boolean(true))
        case UInt8(ascii: "f"): value = try self.word("false", .boolean(false))
        case UInt8(ascii: "n"): value = try self.word("null", .null)
        case UInt8(ascii: "/"), UInt8(ascii: "#"): throw self.comment()
        default: throw self.noValue()
        }
        return JSONNode(value: value, position: position)
    }

    private mutating func object(depth: Int) throws(JSONSyntaxError) -> JSONNode.Value {
        self.index += 1
        var members: [JSONNode.Member] = []
        var keys: Set<String> = []
        let outer = self.path
        self.skipSpace()
        if self.next == UInt8(ascii: "}") {
            self.index += 1
            return .object([])
        }
        while true {
            self.skipSpace()
            let position = self.mark()
            guard self.next == UInt8(ascii: "\"") else {
                if let next = self.next, next == UInt8(ascii: "/") || next == UInt8(ascii: "#") { throw self.comment() }
                let isTrailing = self.next == UInt8(ascii: "}")
                throw self.error(
                    isTrailing ? "a comma in front of }" : "a key is expected",
                    fix: isTrailing ? "remove the comma" : "write a key in double quotes"
                )
            }
            let key = try self.string()
            self.path = JSONPath.member(key, of: outer)
            if !keys.insert(key).inserted {
                self.repetitions.append(
                    JSONSyntaxError(
                        position: position,
                        path: self.path,
                        message: "the key \(Quotation.of(key)) stands here twice",
                        fix: "remove one of the two"
                    )
                )
            }
            self.skipSpace()
            guard self.next == UInt8(ascii: ":") else {
                throw self.error("a colon is expected behind the key", fix: "add \":\"")
            }
            self.index += 1
            members.append(.init(key: key, keyPosition: position, value: try self.value(depth: depth + 1)))
            self.path = outer
            if try self.isAtEnd(of: "}") { return .object(members) }
        }
    }

    private mutating func array(depth: Int) throws(JSONSyntaxError) -> JSONNode.Value {
        self.index += 1
        var elements: [JSONNode] = []
        let outer = self.path
        self.skipSpace()
        if self.next == UInt8(ascii: "]") {
            self.index += 1
            return .array([])
        }
        while true {
            self.skipSpace()
            if self.next == UInt8(ascii: "]") { throw self.error("a comma in front of ]", fix: "remove the comma") }
            self.path = "\(outer)[\(elements.count)]"
            elements.append(try self.value(depth: depth + 1))
            self.path = outer
            if try self.isAtEnd(of: "]") { return .array(elements) }
        }
    }

    /// Takes a comma or the closing bracket.
    private mutating func isAtEnd(of bracket: Unicode.Scalar) throws(JSONSyntaxError) -> Bool {
        self.skipSpace()
        guard let byte = self.next else {
            throw self.error("the text ends before \(bracket)", fix: "complete the file")
        }
        guard byte == UInt8(ascii: ",") || byte == UInt8(ascii: bracket) else {
            throw self.error("a comma or \(bracket) is expected", fix: "add it behind the value before")
        }
        self.index += 1
        return byte == UInt8(ascii: bracket)
    }

    private mutating func word(_ text: String, _ value: JSONNode.Value) throws(JSONSyntaxError) -> JSONNode.Value {
        guard self.bytes[self.index...].starts(with: text.utf8) else {
            throw self.noValue()
        }
        self.index += text.utf8.count
        return value
    }

    private func comment() -> JSONSyntaxError { self.error("a comment", fix: "remove it: JSON has no comments") }

    private func noValue() -> JSONSyntaxError {
        let rest = self.bytes[self.index...]
        let word = String(decoding: rest.prefix { $0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A }, as: UTF8.self)
        let fix =
            switch word.lowercased() {
            case "true", "false", "null": "write \(word.lowercased()) in lower case"
            case "":
                self.next == UInt8(ascii: ",") ? "remove the comma, or add a value" : "write a value, strings in \"\""
            default: "write strings in double quotes"
            }
        return self.error("no value begins like this", fix: fix)
    }

    private mutating func number() throws(JSONSyntaxError) -> String {
        let place = self.error(
            "malformed number",
            fix: "write it like 25 or 1.5; anything with a unit stands in quotes"
        )
        let start = self.index
        while let byte = self.next, Self.isNumeric(byte) { self.index += 1 }
        let text = String(decoding: self.bytes[start..<self.index], as: UTF8.self)
        // A unit right behind the digits: said here, where "a comma is expected" would not help.
        let hasUnit = self.next.map { $0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A } ?? false
        guard !hasUnit, text.wholeMatch(of: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/) != nil else {
            throw place
        }
        return text
    }

    private static func isNumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"),
            UInt8(ascii: "+"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private mutating func string() throws(JSONSyntaxError) -> String {
        let start = self.mark()
        self.index += 1
        var result: [UInt8] = []
        while let byte = self.next {
            switch byte {
            case UInt8(ascii: "\""):
                self.index += 1
                guard let text = String(validating: result, as: UTF8.self) else {
                    throw JSONSyntaxError(
                        position: start,
                        path: self.path,
                        message: "a string that is not UTF-8",
                        fix: "save the file as UTF-8"
                    )
                }
                return text
            case UInt8(ascii: "\\"):
                self.index += 1
                try self.escape(into: &result)
            case 0..<0x20:
                throw self.error("a line end or control character in a string", fix: "close the string, or write \\n")
            default:
                result.append(byte)
                self.index += 1
            }
        }
        throw JSONSyntaxError(
            position: start,
            path: self.path,
            message: "the string does not end",
            fix: "close it with a double quote"
        )
    }

    private mutating func escape(into result: inout [UInt8]) throws(JSONSyntaxError) {
        guard let byte = self.next else { throw self.error("the string does not end", fix: "complete the file") }
        self.index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(byte)
        case UInt8(ascii: "b"): result.append(0x08)
        case UInt8(ascii: "f"): result.append(0x0C)
        case UInt8(ascii: "n"): result.append(0x0A)
        case UInt8(ascii: "r"): result.append(0x0D)
        case UInt8(ascii: "t"): result.append(0x09)
        case UInt8(ascii: "u"):
            var units = [try self.hexUnit()]
            if (0xD800...0xDBFF).contains(units[0]), self.bytes[self.index...].starts(with: [0x5C, 0x75]) {
                self.index += 2
                units.append(try self.hexUnit())
            }
            guard let text = String(validating: units, as: UTF16.self) else {
                throw self.error("half of a surrogate pair", fix: "write both halves, or the character itself")
            }
            result += Array(text.utf8)
        default: throw self.error("unknown escape in a string", fix: "a backslash is written \\\\")
        }
    }

    private mutating func hexUnit() throws(JSONSyntaxError) -> UInt16 {
        let end = min(self.index + 4, self.bytes.count)
        let text = String(decoding: self.bytes[self.index..<end], as: UTF8.self)
        guard text.utf8.count == 4, text.allSatisfy(\.isHexDigit), let unit = UInt16(text, radix: 16) else {
            throw self.error("four hexadecimal digits are expected behind \\u", fix: "write them, such as \\u00e9")
        }
        self.index = end
        return unit
    }
}
