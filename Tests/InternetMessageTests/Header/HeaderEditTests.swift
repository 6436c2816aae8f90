import InternetMessage
import NIOCore
import Testing

@Suite("Edits of the header section")
struct HeaderEditTests {
    struct Example: CustomTestStringConvertible, Sendable {
        let before: String
        let edit: HeaderEdit
        let after: String
        var testDescription: String { "\(self.edit) on \(self.before.debugDescription)" }
    }

    @Test(arguments: [
        Example(before: "A: 1\r\n\r\n", edit: .prepend(name: "X", value: "y"), after: "X: y\r\nA: 1\r\n\r\n"),
        Example(before: "A: 1\r\n\r\n", edit: .append(name: "X", value: "y"), after: "A: 1\r\nX: y\r\n\r\n"),
        Example(before: "\r\n", edit: .append(name: "X", value: "y"), after: "X: y\r\n\r\n"),
        Example(before: "A: 1", edit: .append(name: "X", value: "y"), after: "A: 1\r\nX: y\r\n"),
        Example(
            before: "A: 1\r\nno field\r\n",
            edit: .append(name: "X", value: "y"),
            after: "A: 1\r\nX: y\r\nno field\r\n"
        ),
        Example(
            before: "a:  1\r\n\t2\r\nB: 3\r\na: 4\r\n\r\n",
            edit: .replace(name: "A", value: "y"),
            after: "A: y\r\nB: 3\r\na: 4\r\n\r\n"
        ),
        Example(before: "B:  3\r\n\r\n", edit: .replace(name: "A", value: "y"), after: "B:  3\r\nA: y\r\n\r\n"),
        Example(before: "a: 1\r\nB:\t2\r\nA: 3\r\n\r\n", edit: .remove(name: "A"), after: "B:\t2\r\n\r\n"),
        Example(before: "A: 1\r\n\r\n", edit: .remove(name: "B"), after: "A: 1\r\n\r\n"),
        Example(
            before: "a: 1\r\nB: 2\r\nA: 3\r\n\r\n",
            edit: .removeOne(name: "A", occurrence: 2),
            after: "a: 1\r\nB: 2\r\n\r\n"
        ),
        Example(before: "A: 1\r\n\r\n", edit: .removeOne(name: "A", occurrence: 2), after: "A: 1\r\n\r\n"),
        Example(before: "A: 1\r\n\r\n", edit: .removeOne(name: "A", occurrence: 0), after: "A: 1\r\n\r\n"),
        Example(
            before: "a: 1\r\nB: 2\r\nA: 3\r\n\r\n",
            edit: .replaceOne(name: "A", occurrence: 1, value: "x\r\ny"),
            after: "A: x  y\r\nB: 2\r\nA: 3\r\n\r\n"
        ),
        Example(
            before: "A: 1\r\n\r\n",
            edit: .replaceOne(name: "A", occurrence: 2, value: "x"),
            after: "A: 1\r\n\r\n"
        ),
        Example(
            before: "\r\n",
            edit: .append(name: "X", value: "y\r\nBcc: z\r\n\r\nbody\u{0}\u{7F}end"),
            after: "X: y  Bcc: z    body  end\r\n\r\n"
        ),
        Example(before: "\r\n", edit: .append(name: "X", value: "  y\t "), after: "X: y\r\n\r\n"),
        Example(before: "\r\n", edit: .append(name: "X", value: ""), after: "X:\r\n\r\n"),
        Example(before: "\r\n", edit: .append(name: "X", value: "\r\n"), after: "X:\r\n\r\n"),
    ])
    func applies(_ example: Example) throws {
        var section = HeaderSection(parsing: ByteBuffer(string: example.before))
        try section.apply(example.edit)
        #expect(written(section) == example.after)
    }

    @Test(
        "A name that cannot be written is refused",
        arguments: ["", "A B", "A:", "Ä", "A\r\nB", String(repeating: "a", count: 77)]
    )
    func invalidName(_ name: String) {
        var section = HeaderSection()
        #expect(throws: HeaderEditError.invalidName(name)) { try section.apply(.prepend(name: name, value: "x")) }
        #expect(section.fields.isEmpty)
    }

    @Test("S5321-4.4-06: Received fields are neither changed nor removed")
    func receivedFields() {
        var section = HeaderSection(parsing: ByteBuffer(string: "Received: x\r\n\r\n"))
        for edit in [
            HeaderEdit.remove(name: "received"), .removeOne(name: "Received", occurrence: 1),
            .replaceOne(name: "Received", occurrence: 1, value: "y"),
        ] {
            #expect(throws: HeaderEditError.receivedFieldsAreKept) { try section.apply(edit) }
        }
        #expect(throws: HeaderEditError.receivedFieldsAreKept) {
            try section.apply(.replace(name: "RECEIVED", value: "y"))
        }
        #expect(written(section) == "Received: x\r\n\r\n")
    }

    @Test(
        "S5322-2.1.1-01: lines are folded at 78 where they can be, and never longer than 998",
        arguments: [
            String(repeating: "word ", count: 400), String(repeating: "x", count: 5000),
            String(repeating: "long-word-without-end", count: 5) + " " + String(repeating: "y", count: 2000),
            String(repeating: " ", count: 3000) + "a" + String(repeating: " ", count: 3000) + "b",
            String(repeating: "größe ", count: 300),
        ]
    )
    func folding(_ value: String) throws {
        for allowingUTF8 in [false, true] {
            var section = HeaderSection()
            try section.apply(.append(name: "Subject", value: value), allowingUTF8: allowingUTF8)
            let lines = written(section).split(separator: "\r\n", omittingEmptySubsequences: false).dropLast(2)
            for line in lines {
                #expect(line.utf8.count <= (line.utf8.dropFirst().contains(0x20) ? 98 : 998))
                #expect(!line.utf8.allSatisfy { $0 == 0x20 || $0 == 0x09 })
            }
            for line in lines.dropFirst() { #expect(line.first == " " || line.first == "\t") }
            #expect(section.fields.count == 1)
        }
    }

    @Test("Folded words unfold to the same text")
    func unfolding() throws {
        let value = (1...200).map { "word\($0)" }.joined(separator: " ")
        var section = HeaderSection()
        try section.apply(.append(name: "Subject", value: value))
        #expect(HeaderSection(parsing: ByteBuffer(string: written(section))).first(named: "subject")?.value == value)
    }
}

@Suite("RFC 2047: text that is not ASCII (S2047-5-01)")
struct EncodedWordTests {
    @Test(arguments: [
        ["plain text", "plain text"],
        ["Grüße aus Wien", "=?utf-8?Q?Gr=C3=BC=C3=9Fe?= aus Wien"],
        ["Jörg <j@example.org>", "=?utf-8?Q?J=C3=B6rg?= <j@example.org>"],
        ["ä ö x", "=?utf-8?Q?=C3=A4_=C3=B6?= x"],
        ["ä x ö", "=?utf-8?Q?=C3=A4?= x =?utf-8?Q?=C3=B6?="],
        ["=?utf-8?Q?as_it_is?=", "=?utf-8?Q?as_it_is?="],
        ["😀", "=?utf-8?Q?=F0=9F=98=80?="],
    ])
    func encodes(_ row: [String]) throws {
        var section = HeaderSection()
        try section.apply(.append(name: "Subject", value: row[0]))
        #expect(section.first(named: "Subject")?.value == row[1])
    }

    @Test("Each encoded-word has at most 75 characters and splits no character")
    func lengths() throws {
        var section = HeaderSection()
        try section.apply(.append(name: "Subject", value: String(repeating: "日本語", count: 50)))
        let words = try #require(section.first(named: "Subject")).value.split(separator: " ")
        #expect(words.count > 1)
        for word in words {
            #expect(word.utf8.count <= 75 && word.hasPrefix("=?utf-8?Q?") && word.hasSuffix("?="))
            #expect((word.utf8.count - 12) % 9 == 0)  // whole characters of three octets
        }
    }

    @Test("UTF-8 stays where the message is internationalized (RFC 6532)")
    func utf8() throws {
        var section = HeaderSection()
        try section.apply(.append(name: "Subject", value: "Grüße"), allowingUTF8: true)
        #expect(section.first(named: "Subject")?.value == "Grüße")
    }
}
