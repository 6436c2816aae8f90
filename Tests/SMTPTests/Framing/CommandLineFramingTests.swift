import NIOCore
import SMTP
import Testing

@Suite("RFC 5321 sections 2.3.8 and 4.5.3.1.4: command lines")
struct CommandLineFramingTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let input: [UInt8]
        /// Lines as they are; `!bare` and `!long` for those that are refused.
        let elements: [String]
        var rest = 0
        var testDescription: String { "\(String(decoding: self.input.prefix(40), as: UTF8.self).debugDescription)" }

        init(_ input: String, _ elements: [String], rest: Int = 0) {
            self.input = Array(input.utf8)
            self.elements = elements
            self.rest = rest
        }
    }

    static let rows = [
        Row("NOOP\r\n", ["NOOP"]),
        Row("\r\n", [""]),
        Row("A\r\nB\r\n\r\nC\r\n", ["A", "B", "", "C"]),
        Row("NOOP", [], rest: 4),
        Row("NOOP\r", [], rest: 5),
        Row("NOOP\n", [], rest: 5),
        Row("NOOP\nRSET\r\nA\r\n", ["!bare", "A"]),
        Row("NOOP\rRSET\r\nA\r\n", ["!bare", "A"]),
        Row("\n\r\nA\r\n", ["!bare", "A"]),
        Row("\r\r\nA\r\n", ["!bare", "A"]),
        Row("\n\n\r\r\n\nA\r\n", ["!bare", "!bare"]),
        Row("A\0B\r\n", ["A\0B"]),
    ]

    @Test("S5321-2.3.8-01, S5321-2.4-04: cut at every place", arguments: Self.rows)
    func lines(_ row: Row) {
        for pieces in Cuts.of(row.input) {
            let result = Self.lines(pieces)
            #expect(result.elements == row.elements, "\(pieces)")
            #expect(result.rest == row.rest, "\(pieces)")
        }
    }

    @Test(
        "S5321-4.5.3.1.4-01, S5321-4.2.2-01: the longest line, and one octet more",
        arguments: [0, 510, 4094, 4095, 4096, 4097, 5000, 20_000],
        [1, 2, 7, 4096, 100_000]
    )
    func length(_ length: Int, _ step: Int) {
        let octets = [UInt8](repeating: UInt8(ascii: "x"), count: length) + Array("\r\nNOOP\r\n".utf8)
        let pieces = stride(from: 0, to: octets.count, by: step).map {
            Array(octets[$0..<min($0 + step, octets.count)])
        }
        let first = length + 2 <= CommandLineFraming.longestLine ? String(repeating: "x", count: length) : "!long"
        #expect(Self.lines(pieces).elements == [first, "NOOP"])
    }

    @Test("a line that is too long holds nothing that is taken for a line end", arguments: [1, 3, 5000])
    func longWithBareEnds(_ step: Int) {
        let octets =
            [UInt8](repeating: 0x0D, count: 5000) + [UInt8](repeating: 0x0A, count: 1) + Array("A\r\n".utf8)
            + [UInt8](repeating: 0x0A, count: 5000) + Array("\r\nB\r\n".utf8)
        let pieces = stride(from: 0, to: octets.count, by: step).map {
            Array(octets[$0..<min($0 + step, octets.count)])
        }
        #expect(Self.lines(pieces).elements == ["!long", "A", "!long", "B"])
    }

    private static func lines(_ pieces: [[UInt8]]) -> (elements: [String], rest: Int) {
        var framing = CommandLineFraming()
        var input = ByteBuffer()
        var result: [String] = []
        for piece in pieces {
            input.writeBytes(piece)
            loop: while true {
                switch framing.next(in: &input) {
                case .line(let length):
                    result.append(input.readString(length: length) ?? "")
                    input.moveReaderIndex(forwardBy: 2)
                case .bareLineEnd: result.append("!bare")
                case .tooLong: result.append("!long")
                case .incomplete: break loop
                }
            }
        }
        return (result, input.readableBytes)
    }
}
