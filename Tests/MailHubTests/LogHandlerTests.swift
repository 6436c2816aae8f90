import Dispatch
import Logging
import Synchronization
import Testing

@testable import MailHub

@Suite("Log lines: their form")
struct LogFormatTests {
    struct Line: Sendable, CustomTestStringConvertible {
        var message = "message accepted", metadata: Logger.Metadata = [:]
        var text: String, json: String
        var testDescription: String { self.text }
    }

    @Test(arguments: [
        Line(text: "message accepted", json: #""message":"message accepted""#),
        Line(
            metadata: ["to": "b@example.net", "from": "a@example.org", "size": "\(4096)"],
            text: "message accepted from=a@example.org size=4096 to=b@example.net",
            json:
                #""message":"message accepted","metadata":{"from":"a@example.org","size":"4096","to":"b@example.net"}"#
        ),
        Line(
            metadata: ["reply": "550 5.1.1 No such mailbox", "from": "", "x": "a=b", "q": "say \"hi\" \\ there"],
            text: #"message accepted from="" q="say \"hi\" \\ there" reply="550 5.1.1 No such mailbox" x="a=b""#,
            json: #""message":"message accepted","metadata":{"from":"","q":"say \"hi\" \\ there","#
                + #""reply":"550 5.1.1 No such mailbox","x":"a=b"}"#
        ),
        Line(
            metadata: ["helo": "x\r\n2026-07-14 info forged=1", "tab": "\t\u{0}\u{7F}"],
            text: #"message accepted helo="x\r\n2026-07-14 info forged=1" tab="\t\u0000\u007f""#,
            json: #""message":"message accepted","metadata":{"helo":"x\r\n2026-07-14 info forged=1","#
                + #""tab":"\t\u0000\u007f"}"#
        ),
        Line(
            metadata: ["terminal": "\u{1B}[2Jx", "c1": "\u{9B}31m", "bidi": "a\u{202E}b", "line": "a\u{2028}b"],
            text: #"message accepted bidi="a\u202eb" c1="\u009b31m" line="a\u2028b" terminal="\u001b[2Jx""#,
            json: #""message":"message accepted","metadata":{"bidi":"a\u202eb","c1":"\u009b31m","#
                + #""line":"a\u2028b","terminal":"\u001b[2Jx"}"#
        ),
        Line(
            message: "two\nlines \\ and \"quotes\"",
            text: #"two\nlines \ and "quotes""#,
            json: #""message":"two\nlines \\ and \"quotes\"""#
        ),
        Line(
            metadata: ["to": ["a@x", "b@y"], "none": [], "tree": ["b": "2", "a": ["1", "\n"]]],
            text: #"message accepted none=[] to="[a@x, b@y]" tree="{a: [1, \n], b: 2}""#,
            json:
                #""message":"message accepted","metadata":{"none":[],"to":["a@x","b@y"],"tree":{"a":["1","\n"],"b":"2"}}"#
        ),
        Line(
            metadata: ["jörg": "grüße", "a key": "1"],
            text: #"message accepted "a key"=1 "jörg"="grüße""#,
            json: #""message":"message accepted","metadata":{"a key":"1","jörg":"grüße"}"#
        ),
    ])
    func forms(line: Line) {
        let metadata = line.metadata.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) }
        func tail(_ format: LogFormat) -> String {
            var bytes: [UInt8] = []
            format.appendTail(level: .info, label: "mailhub", message: line.message, metadata: metadata, to: &bytes)
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(tail(.text) == " info     " + line.text + "\n")
        #expect(tail(.json) == #"","level":"info","logger":"mailhub","# + line.json + "}\n")
    }

    @Test func `A value that is too long is cut`() {
        var bytes: [UInt8] = []
        LogText.appendWord(String(repeating: "ä", count: LogText.limit), to: &bytes)
        #expect(bytes.count <= LogText.limit + 6)
        #expect(String(decoding: bytes, as: UTF8.self).hasSuffix("…\""))
    }
}

@Suite("Log lines: their time")
struct LogClockTests {
    @Test(arguments: [
        (0, "2026-07-14T09:26:53.007Z"), (7200, "2026-07-14T09:26:53.007+02:00"),
        (-12_600, "2026-07-14T09:26:53.007-03:30"), (20_700, "2026-07-14T09:26:53.007+05:45"),
    ])
    func offsets(offset: Int, text: String) {
        var clock = LogClock { _ in
            LogClock.LocalTime(year: 2026, month: 7, day: 14, hour: 9, minute: 26, second: 53, offset: offset)
        }
        var line: [UInt8] = []
        clock.append(seconds: 1, milliseconds: 7, to: &line)
        #expect(String(decoding: line, as: UTF8.self) == text)
    }

    @Test func `A second is broken down once`() {
        let calls = Mutexed(0)
        var clock = LogClock { second in
            calls.value.withLock { $0 += 1 }
            return LogClock.LocalTime(year: 2026, month: 1, day: 1, hour: 0, minute: 0, second: second, offset: 0)
        }
        var line: [UInt8] = []
        for millisecond in 998...999 { clock.append(seconds: 5, milliseconds: millisecond, to: &line) }
        clock.append(seconds: 6, milliseconds: 0, to: &line)
        #expect(
            String(decoding: line, as: UTF8.self)
                == "2026-01-01T00:00:05.998Z2026-01-01T00:00:05.999Z2026-01-01T00:00:06.000Z"
        )
        #expect(calls.value.withLock { $0 } == 2)
    }
}

@Suite("Log lines: the way out")
struct LogSinkTests {
    private static let clock = LogClock { _ in
        LogClock.LocalTime(year: 2026, month: 1, day: 1, hour: 0, minute: 0, second: 0, offset: 0)
    }

    private func sink(
        _ capacity: LogSink.Capacity = LogSink.Capacity(),
        output: @escaping @Sendable ([UInt8]) -> Void
    ) throws -> LogSink {
        try LogSink(format: .text, level: .info, capacity: capacity, clock: Self.clock, output: output)
    }

    private func lines(_ written: Mutexed<[UInt8]>) -> [Substring] {
        String(decoding: written.value.withLock { $0 }, as: UTF8.self).split(separator: "\n").map { $0.dropFirst(25) }
    }

    @Test func `Lines of a logger arrive in order, with its own, provided and said metadata`() throws {
        let written = Mutexed<[UInt8]>([])
        let sink = try self.sink { bytes in written.value.withLock { $0 += bytes } }
        defer { sink.close() }
        let provider = Logger.MetadataProvider { ["peer": "192.0.2.1", "session": "provided"] }
        var logger = Logger(label: "test") { HubLogHandler(label: $0, sink: sink, metadataProvider: provider) }
        logger[metadataKey: "session"] = "own"
        logger[metadataKey: "hook"] = "own"
        logger.info("one", metadata: ["hook": "said"])
        logger.debug("below the level")
        logger.warning("two")
        sink.flush()
        #expect(
            self.lines(written) == [
                "info     one hook=said peer=192.0.2.1 session=provided",
                "warning  two hook=own peer=192.0.2.1 session=provided",
            ]
        )
    }

    @Test func `The level can be changed for loggers that exist, but not behind the back of their owner`() throws {
        let sink = try self.sink { _ in }
        defer { sink.close() }
        let follower = Logger(label: "a") { HubLogHandler(label: $0, sink: sink) }
        var owner = Logger(label: "b") { HubLogHandler(label: $0, sink: sink) }
        owner.logLevel = .error
        #expect(follower.logLevel == .info)
        sink.level = .trace
        #expect(follower.logLevel == .trace)
        #expect(owner.logLevel == .error)
    }

    @Test func `Nobody waits for an output that is stuck; what does not fit is counted, warnings last`() throws {
        let written = Mutexed<[UInt8]>([])
        let stuck = DispatchSemaphore(value: 0)
        let entered = DispatchSemaphore(value: 0)
        var capacity = LogSink.Capacity()
        capacity.all = 1000
        capacity.urgent = 200
        let sink = try self.sink(capacity) { bytes in
            entered.signal()
            stuck.wait()
            written.value.withLock { $0 += bytes }
        }
        defer { sink.close() }
        let logger = Logger(label: "test") { HubLogHandler(label: $0, sink: sink) }
        logger.info("first")
        entered.wait()
        for _ in 0..<100 { logger.info("flood") }
        logger.warning("disk is full")
        for _ in 0..<10 { stuck.signal() }
        sink.flush()

        let lines = self.lines(written)
        #expect(lines.first == "info     first")
        #expect(lines.contains("warning  disk is full"))
        let floods = lines.count { $0 == "info     flood" }
        #expect((1..<40).contains(floods))
        #expect(lines.last == "warning  log lines dropped count=\(100 - floods)")
    }

    @Test func `After the end nothing is written, and nobody waits`() throws {
        let written = Mutexed<[UInt8]>([])
        let sink = try self.sink { bytes in written.value.withLock { $0 += bytes } }
        let logger = Logger(label: "test") { HubLogHandler(label: $0, sink: sink) }
        sink.close()
        logger.info("too late")
        sink.flush()
        #expect(!self.lines(written).contains("info     too late"))
    }
}

/// A mutex that closures can share.
private final class Mutexed<Value: Sendable>: Sendable {
    let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }
}
