import Foundation
import Testing

/// One file of Tests/Dialogues: what a client sends, what the server must answer, what must be stored in the end.
///
/// Tests/Dialogues/README.md describes the format.
struct Dialogue: Sendable, CustomTestStringConvertible {
    enum Step: Sendable, Equatable {
        case send([UInt8])
        /// One line of a reply, as a pattern.
        case line(String)
        /// A whole reply: its code, and a pattern for its last line.
        case reply(String)
        /// The event loop's clock moves.
        case advance(seconds: Int)
        /// The client is gone without QUIT.
        case disconnect
        /// The server has closed the connection.
        case closed
        /// The server has said nothing so far.
        case quiet
        /// The hub shuts down.
        case shutDown

        /// Whether nothing but the order of octets matters, so that all that the client says may go out in one write.
        var isPlain: Bool {
            switch self {
            case .send, .line, .reply, .closed: true
            case .advance, .disconnect, .quiet, .shutDown: false
            }
        }
    }

    /// A message that must be stored.
    struct Expectation: Sendable {
        var sender: String
        var recipients: [String] = []
        var content: [UInt8]?
        var trace: String?
    }

    let name: String
    private(set) var settings: [(key: String, value: String)] = []
    private(set) var steps: [Step] = []
    private(set) var messages: [Expectation] = []

    var testDescription: String { self.name }

    /// Everything that the client sends, where the dialogue can be played in one write.
    var pipelined: [UInt8]? {
        guard self.steps.allSatisfy(\.isPlain), self.value(of: "pipelined") != "no" else { return nil }
        return self.steps.flatMap { step -> [UInt8] in if case .send(let octets) = step { octets } else { [] } }
    }

    func value(of key: String) -> String? { self.settings.last { $0.key == key }?.value }

    /// All dialogues, by name.
    static let all: [Dialogue] = {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Dialogues")
        let walker = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
        let files = (walker?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "txt" }
        return files.sorted { $0.path < $1.path }.map { file in
            let name = "\(file.deletingLastPathComponent().lastPathComponent)/\(file.lastPathComponent)"
            do {
                return try Dialogue(name: name, text: String(contentsOf: file, encoding: .utf8))
            } catch {
                Issue.record("\(name): \(error)")
                return Dialogue(name: "\(name): \(error)")
            }
        }
    }()

    private init(name: String) { self.name = name }
}

// MARK: - Reading

extension Dialogue {
    struct Malformed: Error, CustomStringConvertible {
        let line: String
        var description: String { "malformed line: \(self.line)" }
    }

    /// What `begin:` stands for.
    private static let openings: [(name: String, lines: [String])] = [
        ("greeting", ["R: 220"]),
        ("hello", ["C: EHLO c.example", "R: 250"]),
        ("mail", ["C: MAIL FROM:<a@example.net>", "R: 250"]),
        ("recipient", ["C: RCPT TO:<u@example.org>", "R: 250"]),
        ("data", ["C: DATA", "R: 354"]),
    ]

    init(name: String, text: String) throws {
        self.name = name
        var lines = text.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)[...]
        lines = try self.block(&lines)[...]
        for line in lines { try self.take(line) }
    }

    /// Writes out `repeat N` up to `end`, and drops comments.
    private func block(_ rest: inout ArraySlice<String>) throws -> [String] {
        var result: [String] = []
        while let line = rest.popFirst() {
            if line == "end" { return result }
            if line.hasPrefix("#") { continue }
            guard line.hasPrefix("repeat ") else {
                result.append(line)
                continue
            }
            guard let count = Int(line.dropFirst(7)) else { throw Malformed(line: line) }
            let body = try self.block(&rest)
            for number in 1...count {
                result += body.map { $0.replacing("{n}", with: String(number)) }
            }
        }
        return result
    }

    private mutating func take(_ line: String) throws {
        guard let colon = line.firstIndex(where: { $0 == ":" || $0 == "=" }) else { throw Malformed(line: line) }
        let key = String(line[...colon])
        var value = String(line[line.index(after: colon)...])
        if value.hasPrefix(" ") { value.removeFirst() }
        switch key {
        case "C:": self.steps.append(.send(try Self.octets(value) + [0x0D, 0x0A]))
        case "c:": self.steps.append(.send(try Self.octets(value)))
        case "S:": self.steps.append(.line(value))
        case "R:": self.steps.append(.reply(value))
        case "T:":
            guard value.hasSuffix("s"), let seconds = Int(value.dropLast()) else { throw Malformed(line: line) }
            self.steps.append(.advance(seconds: seconds))
        case "D:": self.steps.append(.disconnect)
        case "X:": self.steps.append(.closed)
        case "Q:": self.steps.append(.quiet)
        case "H:": self.steps.append(.shutDown)
        case "M:": self.messages.append(Expectation(sender: value))
        case "TO:": try self.changeLast(line) { $0.recipients.append(value) }
        case "=":
            let octets = try Self.octets(value)
            try self.changeLast(line) { $0.content = ($0.content ?? []) + octets + [0x0D, 0x0A] }
        case "T=": try self.changeLast(line) { $0.trace = value }
        case "begin:":
            for (name, lines) in Self.openings {
                for line in lines { try self.take(line) }
                if name == value { return }
            }
            throw Malformed(line: line)
        default:
            guard self.steps.isEmpty, key.hasSuffix(":") else { throw Malformed(line: line) }
            self.settings.append((String(key.dropLast()), value))
        }
    }

    private mutating func changeLast(_ line: String, _ change: (inout Expectation) -> Void) throws {
        guard let last = self.messages.indices.last else { throw Malformed(line: line) }
        change(&self.messages[last])
    }

    /// The octets of a line: `\r \n \0 \t \\ \xHH \{`, and `{text*count}` for repetitions.
    static func octets(_ text: String) throws -> [UInt8] {
        var rest = Array(text.utf8)[...]
        return try self.octets(&rest, within: false)
    }

    private static func octets(_ rest: inout ArraySlice<UInt8>, within: Bool) throws -> [UInt8] {
        var result: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\\"):
                switch rest.popFirst() {
                case UInt8(ascii: "r"): result.append(0x0D)
                case UInt8(ascii: "n"): result.append(0x0A)
                case UInt8(ascii: "t"): result.append(0x09)
                case UInt8(ascii: "0"): result.append(0)
                case UInt8(ascii: "x"):
                    let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                    guard let value = UInt8(digits, radix: 16) else { throw Malformed(line: "\\x\(digits)") }
                    result.append(value)
                    rest = rest.dropFirst(2)
                case .some(let other): result.append(other)
                case nil: throw Malformed(line: "a lone \\ at the end")
                }
            case UInt8(ascii: "{"):
                let piece = try self.octets(&rest, within: true)
                let digits = rest.prefix { $0 != UInt8(ascii: "}") }
                rest = rest.dropFirst(digits.count + 1)
                guard let count = Int(String(decoding: digits, as: UTF8.self)) else {
                    throw Malformed(line: "no count in braces")
                }
                for _ in 0..<count { result += piece }
            case UInt8(ascii: "*") where within: return result
            default: result.append(byte)
            }
        }
        return result
    }
}

extension StringProtocol {
    /// Whether the text matches a pattern in which `*` stands for anything.
    func matches(pattern: some StringProtocol) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false).map { Array($0.utf8) }
        var rest = Array(self.utf8)[...]
        guard let first = parts.first, rest.starts(with: first) else { return false }
        guard parts.count > 1, let last = parts.last else { return rest.count == first.count }
        rest = rest.dropFirst(first.count)
        for part in parts.dropFirst().dropLast() {
            guard let found = (rest.startIndex...rest.endIndex).first(where: { rest[$0...].starts(with: part) }) else {
                return false
            }
            rest = rest[(found + part.count)...]
        }
        return rest.count >= last.count && rest.suffix(last.count).elementsEqual(last)
    }
}
