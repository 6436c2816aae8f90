import NIOCore
import SMTP
import Testing

@Suite("RFC 5321 sections 4.1.1.4 and 4.5.2: the content of DATA")
struct DataDecoderTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let input: String
        /// `nil` where the data has not ended.
        let content: String?
        var isBare = false
        /// What stays in the input.
        var rest = ""
        var testDescription: String { self.input.debugDescription }
    }

    static let rows = [
        Row(input: ".\r\n", content: ""),
        Row(input: ".\r\nQUIT\r\n", content: "", rest: "QUIT\r\n"),
        Row(input: "a\r\n.\r\n", content: "a\r\n"),
        Row(input: "a\r\n.\r\n.\r\n", content: "a\r\n", rest: ".\r\n"),
        Row(input: "\r\n.\r\n", content: "\r\n"),
        Row(input: "..\r\n.\r\n", content: ".\r\n"),
        Row(input: "..a\r\n...b\r\n.\r\n", content: ".a\r\n..b\r\n"),
        Row(input: ".a\r\n.\r\n", content: "a\r\n"),
        Row(input: "a.\r\n.\r\n", content: "a.\r\n"),
        Row(input: "a\0b\r\n.\r\n", content: "a\0b\r\n"),
        Row(input: "a\n.\nb\r\n.\r\n", content: "a\n.\nb\r\n", isBare: true),
        Row(input: "a\n.\r\n\r\n.\r\n", content: "a\n.\r\n\r\n", isBare: true),
        Row(input: "a\r.\rb\r\n.\r\n", content: "a\r.\rb\r\n", isBare: true),
        Row(input: "a\r\n.\n\r\n.\r\n", content: "a\r\n\n\r\n", isBare: true),
        Row(input: "a\r\n.\rb\r\n.\r\n", content: "a\r\n\rb\r\n", isBare: true),
        Row(input: "a\r\n.\r\r\n.\r\n", content: "a\r\n\r\r\n", isBare: true),
        Row(input: "a\r\r\n.\r\n", content: "a\r\r\n", isBare: true),
        Row(input: "a\n\r\n.\r\n", content: "a\n\r\n", isBare: true),
        Row(input: "a\n..b\r\n.\r\n", content: "a\n..b\r\n", isBare: true),
        Row(input: "a\n", content: nil, isBare: true),
        Row(input: "\n.\n", content: nil, isBare: true),
        Row(input: "\r.\r", content: nil, isBare: true),
        Row(input: "a\r\n.", content: nil),
        Row(input: "a\r\n.\r", content: nil),
        Row(input: "a\r\n.\0\r\n", content: nil),
        Row(input: "a\r\n. \r\n", content: nil),
    ]

    @Test(
        "S5321-4.1.1.4-01, S5321-4.1.1.4-02, S5321-4.5.2-02, S5321-4.5.2-03: cut at every place",
        arguments: Self.rows
    )
    func decode(_ row: Row) {
        for pieces in Cuts.of(Array(row.input.utf8)) {
            let result = Self.decode(pieces)
            #expect(result.ended == (row.content != nil), "\(pieces)")
            #expect(result.isBare == row.isBare, "\(pieces)")
            if let content = row.content { #expect(result.content == Array(content.utf8), "\(pieces)") }
            #expect(result.rest == Array(row.rest.utf8), "\(pieces)")
        }
    }

    @Test("every sequence of up to seven of CR, LF, dot and a letter ends where a slow reading of the clause says")
    func exhaustive() {
        var wrong: [[UInt8]] = []
        for octets in Cuts.sequences(of: Array("\r\n.a".utf8), upTo: 7) {
            let expected = Self.reference(octets)
            for pieces in [[octets], octets.map { [$0] }] {
                let result = Self.decode(pieces)
                let isRight =
                    result.ended == expected.ended && (!expected.ended || result.content == expected.content)
                    && (!expected.ended || result.isBare == expected.isBare) && result.rest == expected.rest
                if !isRight { wrong.append(octets) }
            }
        }
        #expect(wrong.isEmpty, "\(wrong.prefix(5).map { String(decoding: $0, as: UTF8.self).debugDescription })")
    }

    @Test("S5321-4.5.2-05: content through DotStuffing and back is the same, however it is cut", arguments: 0..<50)
    func roundTrip(_ seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let alphabet = Array("\r\n\r\n..ab\0\u{7F}".utf8)
        let count = Int.random(in: 0..<400, using: &random)
        var content = (0..<count).map { _ in alphabet.randomElement(using: &random) ?? 0 }
        if seed % 2 == 0 { content += Array("\r\n".utf8) }
        var stuffing = DotStuffing()
        var wire = ByteBuffer()
        for piece in Self.pieces(of: content, &random) { stuffing.encode(ByteBuffer(bytes: piece), into: &wire) }
        stuffing.finish(into: &wire)
        let result = Self.decode(Self.pieces(of: Array(wire.readableBytesView), &random))
        let isComplete = content.isEmpty || content.suffix(2).elementsEqual("\r\n".utf8)
        #expect(result.ended)
        #expect(result.rest == [])
        #expect(result.content == content + (isComplete ? [] : Array("\r\n".utf8)))
    }

    private static func pieces(of octets: [UInt8], _ random: inout SeededGenerator) -> [[UInt8]] {
        var rest = octets[...]
        var result: [[UInt8]] = []
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...7, using: &random))
            result.append(Array(piece))
            rest = rest.dropFirst(piece.count)
        }
        return result
    }

    private static func decode(
        _ pieces: [[UInt8]]
    ) -> (ended: Bool, content: [UInt8], isBare: Bool, rest: [UInt8]) {
        var decoder = DataDecoder()
        var output = ByteBuffer()
        var rest: [UInt8] = []
        var ended = false
        for piece in pieces {
            guard !ended else {
                rest += piece
                continue
            }
            var input = ByteBuffer(bytes: piece)
            ended = decoder.decode(&input, into: &output)
            rest = Array(input.readableBytesView)
        }
        return (ended, Array(output.readableBytesView), decoder.hasBareLineEnd, rest)
    }

    /// Finds the first CRLF.CRLF, the CRLF of the DATA command in front; then removes the dots behind CRLFs.
    private static func reference(
        _ octets: [UInt8]
    ) -> (ended: Bool, content: [UInt8], isBare: Bool, rest: [UInt8]) {
        let whole = Array("\r\n".utf8) + octets
        let end = Array("\r\n.\r\n".utf8)
        guard whole.count >= end.count,
            let found = (0...(whole.count - end.count)).first(where: { whole[$0...].starts(with: end) })
        else { return (false, [], false, []) }
        let lines = whole[..<(found + 2)]
        var content: [UInt8] = []
        for index in lines.indices.dropFirst(2) {
            let isStuffing = lines[index] == 0x2E && lines[index - 1] == 0x0A && lines[index - 2] == 0x0D
            if !isStuffing { content.append(lines[index]) }
        }
        var isBare = false
        for index in lines.indices {
            if lines[index] == 0x0A, index == 0 || lines[index - 1] != 0x0D { isBare = true }
            if lines[index] == 0x0D, index + 1 == lines.endIndex || lines[index + 1] != 0x0A { isBare = true }
        }
        return (true, content, isBare, Array(whole[(found + 5)...]))
    }
}

@Suite("RFC 5321 section 4.5.2: dots in front of lines that begin with one")
struct DotStuffingTests {
    @Test(
        "S5321-4.5.2-01: cut at every place",
        arguments: [
            ("", ".\r\n"), (".", "..\r\n.\r\n"), ("..\r\n", "...\r\n.\r\n"), (".x\r\n", "..x\r\n.\r\n"),
            ("x.\r\n", "x.\r\n.\r\n"), ("x", "x\r\n.\r\n"), ("x\r", "x\r\r\n.\r\n"),
            ("a\r\n.b\r\n", "a\r\n..b\r\n.\r\n"),
            ("a\n.b\r\n", "a\n.b\r\n.\r\n"), ("a\r.b\r\n", "a\r.b\r\n.\r\n"), ("\r\n\r\n", "\r\n\r\n.\r\n"),
            ("\r\n.\r\n", "\r\n..\r\n.\r\n"), ("a\r\r\n.b", "a\r\r\n..b\r\n.\r\n"),
        ]
    )
    func encode(_ content: String, _ wire: String) {
        for pieces in Cuts.of(Array(content.utf8)) {
            var stuffing = DotStuffing()
            var output = ByteBuffer()
            for piece in pieces { stuffing.encode(ByteBuffer(bytes: piece), into: &output) }
            stuffing.finish(into: &output)
            #expect(String(buffer: output) == wire, "\(pieces)")
        }
    }
}

@Suite("RFC 5321 section 2.3.8, RFC 3030 section 2: bare CR and LF in chunks")
struct BareLineEndScannerTests {
    @Test("S5321-2.3.8-01: every sequence of up to six of CR, LF and a letter, whole and octet by octet")
    func exhaustive() {
        var wrong: [[UInt8]] = []
        for octets in Cuts.sequences(of: Array("\r\na".utf8), upTo: 6) {
            var isBare = false
            for index in octets.indices {
                if octets[index] == 0x0A, index == 0 || octets[index - 1] != 0x0D { isBare = true }
                if octets[index] == 0x0D, index + 1 == octets.count || octets[index + 1] != 0x0A { isBare = true }
            }
            for pieces in [[octets], octets.map { [$0] }] {
                var scanner = BareLineEndScanner()
                for piece in pieces { scanner.scan(ByteBuffer(bytes: piece)) }
                scanner.finish()
                if scanner.hasBareLineEnd != isBare { wrong.append(octets) }
            }
        }
        #expect(wrong.isEmpty, "\(wrong.prefix(5).map { String(decoding: $0, as: UTF8.self).debugDescription })")
    }
}
