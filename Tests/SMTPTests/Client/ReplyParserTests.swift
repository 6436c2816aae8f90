import NIOCore
import SMTP
import Testing

@Suite("RFC 5321 section 4.2: replies as they come from servers")
struct ReplyParserTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let input: String
        /// Each reply as `code|enhanced|line|line`; `!` where the parser gives up.
        let replies: [String]
        var testDescription: String { self.input.prefix(60).debugDescription }
    }

    static let rows = [
        Row(input: "250 OK\r\n", replies: ["250||OK"]),
        Row(input: "250\r\n", replies: ["250||"]),
        Row(input: "250 \r\n", replies: ["250||"]),
        Row(input: "250\tOK\r\n", replies: ["250||OK"]),
        Row(input: "250 OK\n", replies: ["250||OK"]),
        Row(input: "250-a\r\n250-250 b\r\n250\r\n", replies: ["250||a|250 b|"]),
        Row(input: "250-\r\n250 x\r\n354\r\n", replies: ["250|||x", "354||"]),
        Row(input: "250 2.1.5 OK\r\n", replies: ["250|2.1.5|OK"]),
        Row(input: "550-5.1.1 no\r\n550 5.1.1 such user\r\n", replies: ["550|5.1.1|no|such user"]),
        Row(input: "550 4.1.1 wrong class\r\n", replies: ["550||4.1.1 wrong class"]),
        Row(input: "550 5.1 no\r\n", replies: ["550||5.1 no"]),
        Row(input: "550 5.1.1000 no\r\n", replies: ["550||5.1.1000 no"]),
        Row(input: "250 2.0.0\r\n", replies: ["250|2.0.0|"]),
        Row(input: "299 x\r\n499 y\r\n650 z\r\n099 w\r\n", replies: ["299||x", "499||y", "650||z", "99||w"]),
        Row(input: "250 caf\u{E9}\r\n", replies: ["250||caf\u{E9}"]),
        Row(input: "250", replies: []),
        Row(input: "250-a\r\n250-b\r\n", replies: []),
        Row(input: "25 OK\r\n", replies: ["!"]),
        Row(input: "2x0 OK\r\n", replies: ["!"]),
        Row(input: "\r\n", replies: ["!"]),
        Row(input: "2500 OK\r\n", replies: ["!"]),
        Row(input: "250OK\r\n", replies: ["!"]),
        Row(input: "250-a\r\n251 b\r\n", replies: ["!"]),
        Row(input: "hello\r\n", replies: ["!"]),
        Row(input: "250 a\r\nnonsense\r\n", replies: ["250||a", "!"]),
    ]

    @Test("S5321-4.2-03, S5321-4.2-06, S5321-4.2.1-04: cut at every place", arguments: Self.rows)
    func parse(_ row: Row) {
        for pieces in Cuts.of(Array(row.input.utf8)) { #expect(Self.parse(pieces) == row.replies, "\(pieces)") }
    }

    @Test("lines and replies beyond all reason end the connection", arguments: [1, 1000, 1_000_000])
    func limits(_ step: Int) {
        func pieces(_ octets: [UInt8]) -> [[UInt8]] {
            stride(from: 0, to: octets.count, by: step).map { Array(octets[$0..<min($0 + step, octets.count)]) }
        }
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 4093)
        #expect(Self.parse(pieces(Array("250 ".utf8) + long + [0x0D, 0x0A])) == ["!"])
        #expect(
            Self.parse(pieces(Array("250 ".utf8) + long.dropLast(2) + [0x0D, 0x0A])).first?.hasPrefix("250||xxx")
                == true
        )
        #expect(Self.parse(pieces(Array("250 ".utf8) + long + long)) == ["!"])
        let many = [String](repeating: "250-x\r\n", count: 512).joined() + "250 x\r\n"
        #expect(Self.parse(pieces(Array(many.utf8))) == ["!"])
        let enough = [String](repeating: "250-x\r\n", count: 511).joined() + "250 x\r\n"
        #expect(Self.parse(pieces(Array(enough.utf8))).count == 1)
    }

    private static func parse(_ pieces: [[UInt8]]) -> [String] {
        var parser = ReplyParser()
        var input = ByteBuffer()
        var result: [String] = []
        for piece in pieces {
            input.writeBytes(piece)
            do {
                while let reply = try parser.next(in: &input) {
                    let lines = reply.lines.joined(separator: "|")
                    result.append("\(reply.code)|\(reply.enhancedText ?? "")|\(lines)")
                }
            } catch {
                return result + ["!"]
            }
        }
        return result
    }
}
