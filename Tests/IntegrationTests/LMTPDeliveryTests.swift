import Foundation
import TestSupport
import Testing

@Suite("RFC 2033: delivery into Dovecot's mailboxes, octet by octet", .timeLimit(.minutes(2)))
struct LMTPDeliveryTests {
    private struct Content {
        let name: String
        let octets: Data
        /// What stands in the mailbox, where that is something else.
        let stored: Data?

        init(_ name: String, _ text: String, stored: String? = nil) {
            self.name = name
            self.octets = Data(text.utf8)
            self.stored = stored.map { Data($0.utf8) }
        }
    }

    private static let head = "Subject: x\r\n\r\n"
    private static let contents = [
        Content("plain", head + "Hello\r\n"),
        Content("dots", head + ".\r\n..\r\n.x\r\n.\r\n"),
        Content("eightbit", head + "Grüße \u{1F600}\r\n"),
        Content(
            "longest",
            head + String(repeating: "y", count: 998) + "\r\n" + String(repeating: ".", count: 998) + "\r\n"
        ),
        Content("nobody", head),
        Content("nothing", "", stored: ""),
        Content("emptylines", head + "\r\n\r\n\r\n"),
        // LMTP must be told where the content ends: DATA needs the line end that the sender has left out.
        Content("unfinished", head + "no line end", stored: head + "no line end\r\n"),
    ]

    /// The content as DATA carries it.
    private static func stuffed(_ content: Data) -> Data {
        var result = Data()
        var isLineStart = true
        for byte in content {
            if isLineStart, byte == UInt8(ascii: ".") { result.append(byte) }
            result.append(byte)
            isLineStart = byte == 0x0A
        }
        return result
    }

    private static func send(_ content: Data, to recipient: String, inChunks: Bool, _ client: SMTPTestClient) throws {
        _ = try client.expect("250", "MAIL FROM:<ann@example.org> BODY=8BITMIME")
        _ = try client.expect("250", "RCPT TO:<\(recipient)>")
        if inChunks {
            let half = content.count / 2
            try client.send(Array("BDAT \(half)\r\n".utf8) + content.prefix(half))
            guard try client.reply().hasPrefix("250") else { throw PeerFailure("chunk refused") }
            try client.send(Array("BDAT \(content.count - half) LAST\r\n".utf8) + content.dropFirst(half))
        } else {
            _ = try client.expect("354", "DATA")
            try client.send(Self.stuffed(content) + Data(".\r\n".utf8))
        }
        let reply = try client.reply()
        guard reply.hasPrefix("250") else { throw PeerFailure("content refused: \(reply)") }
    }

    private static func check(_ store: LMTPStore, _ mailbox: String, _ content: Content) {
        #expect(eventually { store.mailbox(mailbox).count == 1 }, "\(content.name) did not arrive")
        let message = store.mailbox(mailbox).first ?? Data()
        let expected = content.stored ?? content.octets
        #expect(message.starts(with: Data("Return-Path: <ann@example.org>\r\n".utf8)))
        #expect(message.range(of: Data("by hub.example.org".utf8)) != nil)
        #expect(message.suffix(expected.count) == expected, "\(content.name) arrives as \(message.text.suffix(300))")
    }

    @Test("Whatever the content, by DATA and BDAT, over TCP and a socket", arguments: [false, true])
    func octets(overSocket: Bool) async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let store = try LMTPStore(folder: directory.url) else { return }
            try store.start()
            let route: [String: Any] =
                overSocket
                ? ["transport": "lmtp", "socket": store.socket]
                : ["transport": "lmtp", "host": "127.0.0.1", "port": store.port]
            let scenario = try Scenario(
                in: directory,
                routes: ["dovecot": route],
                more: ["domains": ["example.org": ["route": "dovecot"]]]
            )
            try scenario.hub.start()
            let client = try scenario.client()
            for (inChunks, prefix) in [(false, "data"), (true, "chunk")] {
                for content in Self.contents where !(content.name == "unfinished" && !inChunks) {
                    try Self.send(
                        content.octets,
                        to: "\(prefix)-\(content.name)@example.org",
                        inChunks: inChunks,
                        client
                    )
                }
            }
            // A content file: beyond what the store keeps itself.
            var large = Self.head
            var line = 0
            while large.utf8.count < 5_000_000 {
                large += ".line \(line) of a large message, with ü\r\n"
                line += 1
            }
            let largeContent = Content("large", large)
            try Self.send(largeContent.octets, to: "large@example.org", inChunks: false, client)
            client.close()
            for (inChunks, prefix) in [(false, "data"), (true, "chunk")] {
                for content in Self.contents where !(content.name == "unfinished" && !inChunks) {
                    Self.check(store, "\(prefix)-\(content.name)@example.org", content)
                }
            }
            Self.check(store, "large@example.org", largeContent)
            #expect(try scenario.hub.isDrained())
            #expect(!scenario.hub.logLines("recipient delivered").isEmpty)
            #expect(scenario.hub.stop() == 0)
            store.stop()
        }
    }

    @Test("Many recipients are one transaction with a reply for each; a store that is down is tried again")
    func manyAndDown() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let store = try LMTPStore(folder: directory.url) else { return }
            let scenario = try Scenario(
                in: directory,
                routes: ["dovecot": ["transport": "lmtp", "host": "127.0.0.1", "port": store.port]],
                more: ["domains": ["example.org": ["route": "dovecot"]]]
            )
            try scenario.hub.start()
            let client = try scenario.client()
            let names = (0..<80).map { "user\($0)@example.org" }
            let reply = try client.message(from: "ann@example.org", to: names, content: "Subject: x\r\n\r\nHi\r\n".utf8)
            #expect(reply.hasPrefix("250"))
            client.close()
            // Nobody is there yet.
            #expect(eventually { !scenario.hub.logLines("destination failed").isEmpty })
            let waiting = try #require(try scenario.hub.queue().first)
            #expect(waiting["recipientCount"] as? Int == 80)
            try store.start()
            #expect(try scenario.hub.isDrained())
            for name in names { #expect(store.mailbox(name).count == 1, "\(name)") }
            #expect(scenario.hub.logLines("recipient delivered").count == 80)
            #expect(scenario.hub.stop() == 0)
            store.stop()
        }
    }
}
