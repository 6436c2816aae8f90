import MailHubPlugin
import MailHubPluginTesting
import NIOCore
import NIOEmbedded
import SMTP
import Testing

@testable import Reception

@Suite("RFC 5321 sections 7.8 and 7.9: limits of a client over all of its connections")
struct ClientLimitTests {
    static let minute: UInt64 = 60_000_000_000

    static func instant(_ seconds: Double) -> NIODeadline {
        .uptimeNanoseconds(Self.minute * 1000 + UInt64(seconds * 1_000_000_000))
    }

    @Test(
        "the minute slides: (seconds until asked, whether 10 events at second 30 exhaust a limit of 10)",
        arguments: [
            (30.0, true), (59.0, true), (60.0, true), (61.0, false), (90.0, false), (119.0, false), (500, false),
        ]
    )
    func sliding(_ seconds: Double, _ isExhausted: Bool) throws {
        let rates = ClientRates()
        let client = try #require(IPAddress("192.0.2.7"))
        for _ in 0..<10 { rates.note(.message, of: client, at: Self.instant(30)) }
        #expect(rates.isExhausted(10, .message, of: client, at: Self.instant(seconds)) == isExhausted)
        #expect(!rates.isExhausted(11, .message, of: client, at: Self.instant(seconds)))
        #expect(!rates.isExhausted(nil, .message, of: client, at: Self.instant(seconds)))
        #expect(!rates.isExhausted(1, .recipient, of: client, at: Self.instant(seconds)))
    }

    @Test(
        "who is one client",
        arguments: [
            ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.8", false),
            ("::ffff:192.0.2.7", "192.0.2.7", true),
            ("2001:db8::1", "2001:db8::ffff:0:0:1", true), ("2001:db8::1", "2001:db8:0:1::1", false),
        ]
    )
    func clients(_ first: String, _ second: String, _ isSame: Bool) throws {
        let (one, other) = (try #require(IPAddress(first)), try #require(IPAddress(second)))
        let rates = ClientRates()
        rates.note(.error, of: one, at: Self.instant(0))
        #expect(rates.isExhausted(1, .error, of: other, at: Self.instant(1)) == isSame)
        let counts = ConnectionCounts()
        var limits = SessionLimits()
        limits.connectionsPerClient = 1
        #expect(counts.admit(one, limits: limits))
        #expect(counts.admit(other, limits: limits) == !isSame)
    }

    @Test("idle clients are forgotten, and the table does not grow without bound")
    func memory() {
        let rates = ClientRates()
        for address in 0..<UInt32(1000) { rates.note(.message, of: .ipv4(address), at: Self.instant(0)) }
        #expect(rates.clientCount == 1000)
        rates.note(.message, of: .ipv4(1), at: Self.instant(60))
        #expect(rates.clientCount == 1000)
        rates.note(.message, of: .ipv4(2), at: Self.instant(120))
        #expect(rates.clientCount == 2)
        for address in 0..<UInt32(ClientRates.mostClients + 10) {
            rates.note(.message, of: .ipv4(address), at: Self.instant(121))
        }
        #expect(rates.clientCount == ClientRates.mostClients)
        #expect(rates.isExhausted(2, .message, of: .ipv4(2), at: Self.instant(121)))
    }

    @Test("connections: in all, and of one client; a place is free again when one ends")
    func connections() {
        let counts = ConnectionCounts()
        var limits = SessionLimits()
        limits.connections = 3
        limits.connectionsPerClient = 2
        #expect(counts.admit(.ipv4(1), limits: limits))
        #expect(counts.admit(.ipv4(1), limits: limits))
        #expect(!counts.admit(.ipv4(1), limits: limits))
        #expect(counts.admit(.ipv4(2), limits: limits))
        #expect(!counts.admit(.ipv4(3), limits: limits))
        counts.release(.ipv4(1))
        #expect(counts.admit(.ipv4(1), limits: limits))
        #expect(counts.total == 3)
    }

    /// Two connections of one client, a third of another; `true` where the second is told to go.
    @Test("messages, recipients and errors of one connection count for the next", arguments: [true, false])
    func connectionsShareTheLimits(_ isSameClient: Bool) async throws {
        var server = try SessionClient.Server.standard(RecordingIntake())
        var limits = SessionLimits()
        limits.messagesPerClient = 1
        limits.recipientsPerClient = 2
        limits.errorsPerClient = 2
        server.listener = ListenerSettings(name: "mx", address: "", port: 25, role: .mx, limits: limits)
        let loop = NIOAsyncTestingEventLoop()
        let first = try await SessionClient.connect(to: server, on: loop)
        for line in ["EHLO c", "MAIL FROM:<>", "RCPT TO:<u@example.org>", "RCPT TO:<v@example.org>", "DATA", "."] {
            await first.send(line)
        }
        if !isSameClient { server.client = .ipv4(0xC000_0208) }
        let second = try await SessionClient.connect(to: server, on: loop)
        #expect(try await second.reply()?.hasPrefix("220") == true)
        await second.send("EHLO c")
        _ = try await second.reply()
        await second.send("MAIL FROM:<>")
        let reply = try await second.reply()
        #expect(reply?.hasPrefix(isSameClient ? "421 4.7.0 hub.example.org" : "250") == true)
        await first.send("FOO")
        await first.send("FOO")
        let third = try await SessionClient.connect(to: server, on: loop)
        #expect(try await third.reply()?.hasPrefix(isSameClient ? "421 4.7.0 hub.example.org" : "220") == true)
        for client in [first, second, third] {
            await client.disconnect()
            try await client.finished()
        }
    }
}
