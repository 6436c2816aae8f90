import InternetMessage
import NIOCore
import Testing

@Suite("RFC 5322 section 2.2: the header section; nothing is refused (S5321-3.3-11, S5321-3.7.2-02)")
struct HeaderSectionTests {
    struct Example: CustomTestStringConvertible, Sendable {
        let name: String
        let message: String
        let fields: [[String]]
        let bodyOffset: Int
        var testDescription: String { self.name }
    }

    static let examples = [
        Example(name: "plain", message: "A: 1\r\nB:2\r\n\r\nbody", fields: [["A", "1"], ["B", "2"]], bodyOffset: 13),
        Example(name: "folded", message: "A: 1\r\n  2\r\n\t3 \r\n\r\n", fields: [["A", "1  2\t3"]], bodyOffset: 18),
        Example(name: "empty value", message: "A:\r\nB: \r\n\r\n", fields: [["A", ""], ["B", ""]], bodyOffset: 11),
        Example(name: "no header", message: "\r\nbody", fields: [], bodyOffset: 2),
        Example(name: "nothing", message: "", fields: [], bodyOffset: 0),
        Example(name: "no empty line", message: "A: 1\r\nB: 2", fields: [["A", "1"], ["B", "2"]], bodyOffset: 10),
        Example(name: "bare LF", message: "A: 1\nB: 2\n\nbody", fields: [["A", "1"], ["B", "2"]], bodyOffset: 11),
        Example(
            name: "white space before the colon",
            message: "A \t: 1\r\n\r\n",
            fields: [["A", "1"]],
            bodyOffset: 10
        ),
        Example(
            name: "no colon",
            message: "garbage\r\nA: 1\r\n\r\n",
            fields: [["", "garbage"], ["A", "1"]],
            bodyOffset: 17
        ),
        Example(
            name: "space in the name",
            message: "From x y: 1\r\n\r\n",
            fields: [["", "From x y: 1"]],
            bodyOffset: 15
        ),
        Example(name: "no name", message: ": 1\r\n\r\n", fields: [["", ": 1"]], bodyOffset: 7),
        Example(
            name: "continues nothing",
            message: " x\r\nA: 1\r\n\r\n",
            fields: [["", "x"], ["A", "1"]],
            bodyOffset: 12
        ),
        Example(
            name: "line of white space",
            message: "A: 1\r\n \r\nB: 2\r\n\r\n",
            fields: [["A", "1"], ["B", "2"]],
            bodyOffset: 17
        ),
        Example(
            name: "not UTF-8 free",
            message: "Ä: ö\r\nA: ö\r\n\r\n",
            fields: [["", "Ä: ö"], ["A", "ö"]],
            bodyOffset: 17
        ),
        Example(name: "CR alone", message: "A: 1\rB: 2\r\n\r\n", fields: [["A", "1B: 2"]], bodyOffset: 13),
        Example(
            name: "odd trace",
            message: "Received: garbage\r\nReceived:\r\n\r\n",
            fields: [["Received", "garbage"], ["Received", ""]],
            bodyOffset: 32
        ),
    ]

    @Test(arguments: examples)
    func parses(_ example: Example) {
        let section = HeaderSection(parsing: ByteBuffer(string: example.message))
        #expect(section.fields.map { [$0.name, $0.value] } == example.fields)
        #expect(section.length == example.bodyOffset)
    }

    @Test("What nobody edited is written as it came (S5321-3.7.2-01)", arguments: examples)
    func roundTrip(_ example: Example) {
        #expect(
            written(HeaderSection(parsing: ByteBuffer(string: example.message)))
                == String(decoding: example.message.utf8.prefix(example.bodyOffset), as: UTF8.self)
        )
    }

    @Test("Octets that are not UTF-8 survive")
    func arbitraryOctets() {
        let bytes: [UInt8] = Array("A: ".utf8) + [0xFF, 0x00, 0xC3] + Array("\r\n\r\n".utf8)
        var output = ByteBuffer()
        HeaderSection(parsing: ByteBuffer(bytes: bytes)).write(into: &output)
        #expect(Array(output.readableBytesView) == bytes)
    }

    @Test("Names are compared without regard to case")
    func lookUp() {
        let section = HeaderSection(parsing: ByteBuffer(string: "a: 1\r\nB: 2\r\nA: 3\r\nAB: 4\r\n\r\n"))
        #expect(section.first(named: "A")?.value == "1")
        #expect(section.all(named: "a").map(\.value) == ["1", "3"])
        #expect(section.count(named: "ab") == 1)
        #expect(section.first(named: "C") == nil)
        #expect(section.first(named: "") == nil)
    }

    @Test("Beyond the limits all is body")
    func limits() {
        let many = HeaderSection(parsing: ByteBuffer(string: String(repeating: "A: 1\r\n", count: 10_001) + "\r\n"))
        #expect(many.fields.count == HeaderSection.mostFields)
        #expect(many.length == 60_000)

        let long = "A: 1\r\nB: " + String(repeating: "x", count: HeaderSection.mostOctets) + "\r\n\r\n"
        let section = HeaderSection(parsing: ByteBuffer(string: long))
        #expect(section.fields.map(\.name) == ["A"])
        #expect(section.length == 6)
        #expect(written(section) == "A: 1\r\n")

        let folds = "A: 1\r\nB: 2" + String(repeating: "\r\n x", count: HeaderSection.mostOctets) + "\r\n\r\n"
        #expect(HeaderSection(parsing: ByteBuffer(string: folds)).length == 6)
    }
}

func written(_ section: HeaderSection) -> String {
    var output = ByteBuffer()
    section.write(into: &output)
    return String(buffer: output)
}
