import InternetMessage
import NIOCore
import Testing

/// A multipart/report taken apart by the letter of RFC 2046 section 5.1.1 and RFC 3464 section 2.1; throws for what is wrong.
struct ParsedReport {
    struct Malformed: Error { let reason: String }
    struct Part {
        let header: HeaderSection
        let body: String
        var type: String { self.header.first(named: "Content-Type")?.value ?? "" }
        var encoding: String { self.header.first(named: "Content-Transfer-Encoding")?.value ?? "7bit" }
    }

    let header: HeaderSection
    let parts: [Part]
    /// The per-message fields, then the fields of each recipient: names and values.
    let statusGroups: [[(name: String, value: String)]]

    init(_ message: ByteBuffer) throws {
        let text = String(buffer: message)
        guard Array(text.utf8) == Array(message.readableBytesView) else { throw Malformed(reason: "not UTF-8") }
        for line in text.components(separatedBy: "\r\n") {
            guard line.utf8.count <= 998, !line.utf8.contains(0x0D), !line.utf8.contains(0x0A) else {
                throw Malformed(reason: "bad line: \(line.prefix(100))")
            }
        }
        self.header = HeaderSection(parsing: message)
        let type = self.header.first(named: "Content-Type")?.value ?? ""
        let prefix = "multipart/report; report-type=delivery-status; boundary=\""
        guard type.hasPrefix(prefix), type.hasSuffix("\"") else { throw Malformed(reason: "type \(type)") }
        let delimiter = "\r\n--" + type.dropFirst(prefix.count).dropLast()
        let body = "\r\n" + String(decoding: text.utf8.dropFirst(self.header.length), as: UTF8.self)
        var pieces = body.components(separatedBy: delimiter)
        guard pieces.last == "--\r\n" else { throw Malformed(reason: "no end") }
        pieces.removeLast()
        self.parts = try pieces.dropFirst().map { piece in
            guard piece.utf8.starts(with: [0x0D, 0x0A]) else { throw Malformed(reason: "boundary goes on") }
            let content = String(decoding: piece.utf8.dropFirst(2), as: UTF8.self)
            let header = HeaderSection(parsing: ByteBuffer(string: content))
            return Part(header: header, body: String(decoding: content.utf8.dropFirst(header.length), as: UTF8.self))
        }
        guard self.parts.count == 3 else { throw Malformed(reason: "\(self.parts.count) parts") }
        self.statusGroups = try self.parts[1].body.components(separatedBy: "\r\n\r\n").map(Self.group)
    }

    private static func group(_ text: String) throws -> [(name: String, value: String)] {
        let section = HeaderSection(parsing: ByteBuffer(string: text + "\r\n\r\n"))
        return try section.fields.map { field in
            guard field.isWellFormed, !field.value.isEmpty else { throw Malformed(reason: "field \(field.value)") }
            return (field.name, field.value)
        }
    }

    func value(_ name: String, group: Int = 0) -> String? {
        guard self.statusGroups.indices.contains(group) else { return nil }
        return self.statusGroups[group].first { $0.name == name }?.value
    }
}

extension String {
    /// The pieces between the occurrences of a separator, compared octet by octet: CRLF is one `Character`.
    func components(separatedBy separator: String) -> [String] {
        let bytes = Array(self.utf8)
        let mark = Array(separator.utf8)
        var pieces: [String] = []
        var start = 0
        var index = 0
        while index + mark.count <= bytes.count {
            if bytes[index..<index + mark.count].elementsEqual(mark) {
                pieces.append(String(decoding: bytes[start..<index], as: UTF8.self))
                index += mark.count
                start = index
            } else {
                index += 1
            }
        }
        return pieces + [String(decoding: bytes[start...], as: UTF8.self)]
    }

    /// The text that quoted-printable stands for.
    var fromQuotedPrintable: String {
        var result: [UInt8] = []
        var rest = Array(self.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "=") else {
                result.append(byte)
                continue
            }
            let code = String(decoding: rest.prefix(2), as: UTF8.self)
            rest = rest.dropFirst(2)
            if code != "\r\n" { result.append(UInt8(code, radix: 16) ?? 0) }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
