import Foundation
import Administration
import SMTP
import Testing

@testable import MailHubCommand

@Suite("Output for people")
struct TerminalTests {
    private static let now = Timestamp(milliseconds: 1_784_021_213_000)

    @Test(arguments: [
        (0, "now"), (999, "now"), (-999, "now"), (1000, "in 1s"), (-59_999, "59s ago"), (60_000, "in 1m"),
        (-7_199_000, "1h ago"), (-172_799_000, "47h ago"), (172_800_000, "in 2d"),
    ])
    func times(milliseconds: Int64, text: String) {
        let instant = Timestamp(milliseconds: Self.now.milliseconds + milliseconds)
        #expect(HumanTime.relative(instant, to: Self.now) == text)
    }

    @Test(arguments: [Int64.min, .max])
    func timesBeyondAll(milliseconds: Int64) {
        #expect(HumanTime.relative(Timestamp(milliseconds: milliseconds), to: Self.now).isEmpty == false)
    }

    @Test(arguments: [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (4200, "4.1 KiB"), (1_048_575, "1023.9 KiB"),
        (26_214_400, "25.0 MiB"), (1_099_511_627_776, "1 TiB"),
    ])
    func sizes(octets: Int, text: String) { #expect(HumanSize.text(octets) == text) }

    @Test func `Columns are aligned, and no wider than needed`() {
        var table = Table(columns: [.left("A"), .right("NUMBER"), .left("LAST")])
        table.add(["x", "1", "one"])
        table.add(["longer", "1000", "a thousand"])
        #expect(
            table.lines(for: Terminal(width: nil)) == [
                "A       NUMBER  LAST", "x            1  one", "longer    1000  a thousand",
            ]
        )
    }

    @Test func `On a narrow terminal the widest column gives way`() {
        var table = Table(columns: [.left("A"), .left("B"), .left("C")])
        table.add(["short", String(repeating: "w", count: 100), "also short"])
        let lines = table.lines(for: Terminal(width: 40))
        #expect(lines.allSatisfy { $0.count <= 40 })
        #expect(lines.last == "short  wwwwwwwwwwwwwwwwwwww…  also short")
    }

    @Test func `A table that arrives in blocks keeps its widths and has one header`() {
        var table = Table(columns: [.left("A"), .left("B")])
        table.add(["1234", "x"])
        #expect(table.takeLines(for: Terminal(width: nil)) == ["A     B", "1234  x"])
        table.add(["1", "y"])
        table.add(["123456", "z"])
        #expect(table.takeLines(for: Terminal(width: nil)) == ["1     y", "123456  z"])
        #expect(table.takeLines(for: Terminal(width: nil)) == [])
    }

    @Test func `What strangers sent cannot steer the terminal`() {
        var table = Table(columns: [.left("A")])
        table.add(["\u{1B}[2J\r\nx\u{202E}"])
        #expect(table.lines(for: Terminal(width: nil)) == ["A", "\u{FFFD}[2J\u{FFFD}\u{FFFD}x\u{FFFD}"])
    }

    private static let entry = QueueEntry(
        id: "1kq8z0v4c0000",
        state: .deferred,
        sender: "",
        size: 4200,
        arrival: ControlInstant(Timestamp(milliseconds: now.milliseconds - 7_200_000)),
        recipients: [
            RecipientEntry(address: "later@example.net", destination: "internet/example.net", attempts: 0),
            RecipientEntry(
                address: "bob@example.net",
                destination: "internet/example.net",
                attempts: 3,
                nextAttempt: ControlInstant(Timestamp(milliseconds: now.milliseconds + 240_000)),
                lastReply: "450 4.2.0 try later"
            ),
        ],
        recipientCount: 12
    )

    @Test func `A message in a listing is a line about what happens next`() {
        var table = QueueTable(now: Self.now)
        table.add(Self.entry)
        #expect(
            table.rows.lines(for: Terminal(width: nil)) == [
                "ID             STATE     AGE     SIZE  SENDER  RECIPIENT            NEXT   WHY",
                "1kq8z0v4c0000  deferred   2h  4.1 KiB  <>      bob@example.net +11  in 4m  450 4.2.0 try later",
            ]
        )
    }

    @Test func `A message by itself is shown with all its recipients`() {
        #expect(
            EntryReport(entry: Self.entry, now: Self.now).lines == [
                "message     1kq8z0v4c0000",
                "state       deferred",
                "sender      <>",
                "size        4.1 KiB",
                "arrived     2026-07-14T07:26:53.000Z (2h ago)",
                "recipients  12",
                "",
                "<later@example.net>",
                "    destination   internet/example.net",
                "    attempts      0",
                "    next attempt  -",
                "    last reply    -",
                "",
                "<bob@example.net>",
                "    destination   internet/example.net",
                "    attempts      3",
                "    next attempt  2026-07-14T09:30:53.000Z (in 4m)",
                "    last reply    450 4.2.0 try later",
                "",
                "and 10 more",
            ]
        )
    }

    @Test("JSON for a terminal: what it could obey is escaped, and means the same")
    func escapedJSON() throws {
        let text = "a\u{9B}2J\u{85}b\u{202E}c\u{2066}\u{E0001}ä"
        let json = String(decoding: try JSONEncoder().encode([text]), as: UTF8.self)
        let escaped = Terminal.escaped(json)
        #expect(escaped.unicodeScalars.allSatisfy { !($0.properties.generalCategory == .control) })
        #expect(escaped.contains("\\u009b") && escaped.contains("\\u202e") && escaped.contains("\\udb40\\udc01"))
        #expect(try JSONDecoder().decode([String].self, from: Data(escaped.utf8)) == [text])
    }
}
