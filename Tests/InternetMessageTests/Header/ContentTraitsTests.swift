import InternetMessage
import NIOCore
import Testing

@Suite("RFC 5321 section 6.3: trace fields are counted in one pass (S5321-6.3-01)")
struct ContentTraitsTests {
    struct Example: CustomTestStringConvertible, Sendable {
        let message: String
        var header: Int?
        var received = 0
        var eightBit: [Bool] = [false, false]
        var longest = 0
        var testDescription: String { self.message.prefix(60).debugDescription }
    }

    static let examples = [
        Example(message: ""),
        Example(message: "\r\n", header: 2),
        Example(message: "\n", header: 1),
        Example(message: "A: 1\r\n\r\nbody\r\n", header: 8, longest: 4),
        Example(message: "A: 1\r\n\r\n\r\nReceived: in the body\r\n", header: 8, longest: 21),
        Example(
            message: "Received: x\r\nRECEIVED:y\r\nreceived:\r\n\tReceived: z\r\n\r\n",
            header: 52,
            received: 3,
            longest: 12
        ),
        Example(
            message: "Received: x\r\nX-Received: y\r\nReceivedX: z\r\nRecei\r\nved: u\r\n\r\n",
            header: 59,
            received: 1,
            longest: 13
        ),
        Example(message: "A: ä\r\n\r\nbody", header: 9, eightBit: [true, false], longest: 5),
        Example(
            message: "A: 1\r\n\r\nbody and more, much more, then ä",
            header: 8,
            eightBit: [false, true],
            longest: 33
        ),
        Example(
            message: "A: 1\r\n\r\n0123456\r\nä\r\n0123456789\r\n",
            header: 8,
            eightBit: [false, true],
            longest: 10
        ),
        Example(message: "A: 1\r\n b\rc\r\n\r\nx\ry", header: 14, longest: 4),
        Example(message: "A: 1\nReceived: y\n\nbody", header: 18, received: 1, longest: 11),
        Example(message: "Received: no end", received: 0, longest: 16),
        Example(
            message: String(repeating: "Received: x\r\n", count: 101) + "\r\n",
            header: 1315,
            received: 101,
            longest: 11
        ),
        Example(message: "A: 1\r\n\r\n" + String(repeating: "x", count: 70_000), header: 8, longest: 70_000),
    ]

    private func expect(_ traits: ContentTraits, _ example: Example, _ place: String) {
        #expect(traits.size == example.message.utf8.count, "\(place)")
        #expect(traits.headerLength == example.header, "\(place)")
        #expect(traits.receivedCount == example.received, "\(place)")
        #expect([traits.has8BitHeader, traits.has8BitBody] == example.eightBit, "\(place)")
        #expect(traits.longestLine == example.longest, "\(place)")
    }

    @Test(arguments: examples)
    func whole(_ example: Example) {
        self.expect(ContentTraits(of: ByteBuffer(string: example.message)), example, "whole")
    }

    @Test("Wherever the pieces are cut", arguments: examples.filter { $0.message.utf8.count < 100 })
    func pieces(_ example: Example) {
        let bytes = Array(example.message.utf8)
        for cut in 0...bytes.count {
            var scanner = ContentScanner()
            scanner.scan(ByteBuffer(bytes: bytes[..<cut]))
            scanner.scan(ByteBuffer(bytes: bytes[cut...]))
            self.expect(scanner.traits, example, "cut at \(cut)")
        }
        var scanner = ContentScanner()
        for byte in bytes { scanner.scan(ByteBuffer(bytes: [byte])) }
        self.expect(scanner.traits, example, "octet by octet")
    }

    @Test(
        "RFC 8689 section 3: TLS-Required",
        arguments: [
            ("TLS-Required: No\r\n\r\n", 1, true), ("tls-required:no\n\nx", 1, true),
            ("A: 1\r\nTLS-Required:\r\n no\r\nReceived: x\r\n\r\n", 1, true), ("TLS-Required: Yes\r\n\r\n", 1, false),
            ("TLS-Required: No\r\nTLS-Required: No\r\n\r\n", 2, false), ("A: 1\r\n\r\nTLS-Required: No\r\n", 0, false),
            ("TLS-Require: No\r\nTLS-RequiredX: No\r\nTo: x\r\n\r\n", 0, false), ("TLS-Required", 0, false),
        ]
    )
    func tlsRequired(_ message: String, _ count: Int, _ saysNo: Bool) {
        let buffer = ByteBuffer(string: message)
        #expect(ContentTraits(of: buffer).tlsRequiredCount == count)
        #expect(HeaderSection(parsing: buffer).saysTLSOptional == saysNo)
        var scanner = ContentScanner()
        for octet in message.utf8 { scanner.scan(ByteBuffer(bytes: [octet])) }
        #expect(scanner.traits.tlsRequiredCount == count, "octet by octet")
    }
}
