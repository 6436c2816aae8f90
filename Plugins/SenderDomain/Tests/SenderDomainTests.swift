import MailHubPlugin
import MailHubPluginTesting
import SenderDomain
import Testing

@Suite("SenderDomain: what the client sees")
struct SenderDomainTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var configuration = "{}"
        var sender = "a@s.example"
        var exchangers: Lookup<[MailExchanger]> = .found([])
        var addresses: Lookup<[IPAddress]> = .notFound
        var recipient = "ann@example.org"
        let reply: String

        var testDescription: String { "\(self.configuration) \(self.sender) \(self.exchangers) \(self.reply)" }
    }

    private static let mx = MailExchanger(preference: 10, host: "mx.s.example")
    private static let null = MailExchanger(preference: 0, host: "")

    private static let rows = [
        Row(exchangers: .found([mx]), reply: "250 2.1.5"),
        Row(addresses: .found([.ipv4(0xC000_0201)]), reply: "250 2.1.5"),
        // S7505-4.1-02
        Row(exchangers: .found([null]), reply: "550 5.7.27"),
        Row(
            configuration: #"{ "unknown": "take", "unavailable": "take" }"#,
            exchangers: .found([null]),
            reply: "550 5.7.27"
        ),
        Row(exchangers: .found([null, mx]), reply: "250 2.1.5"),
        // S7505-4.1-03
        Row(sender: "", exchangers: .found([null]), reply: "250 2.1.5"),
        Row(sender: "a@[192.0.2.1]", exchangers: .found([null]), reply: "250 2.1.5"),
        Row(exchangers: .notFound, reply: "550 5.1.8"),
        Row(reply: "550 5.1.8"),
        Row(configuration: #"{ "unknown": "defer" }"#, reply: "451 4.1.8"),
        Row(configuration: #"{ "unknown": "take" }"#, reply: "250 2.1.5"),
        Row(exchangers: .unavailable("SERVFAIL"), reply: "451 4.4.3"),
        Row(addresses: .unavailable("SERVFAIL"), reply: "451 4.4.3"),
        Row(
            configuration: #"{ "unavailable": "take" }"#,
            exchangers: .unavailable("SERVFAIL"),
            reply: "250 2.1.5"
        ),
        Row(exchangers: .found([null]), recipient: "postmaster@example.org", reply: "250 2.1.5"),
        Row(configuration: #"{ "exempt": { "senderDomains": ["s.example"] } }"#, reply: "250 2.1.5"),
        Row(configuration: #"{ "exempt": { "networks": ["192.0.2.0/24"] } }"#, reply: "250 2.1.5"),
    ]

    @Test(arguments: Self.rows)
    func replies(_ row: Row) async throws {
        let hub = try TestHub([.init(SenderDomain.self, row.configuration)])
        hub.resolver.set(exchangers: row.exchangers, of: "s.example")
        hub.resolver.set(addresses: row.addresses, of: "s.example")
        let client = try await hub.connect(from: "192.0.2.99")
        _ = try await client.send("EHLO client.example.net")
        #expect(try await client.send("MAIL FROM:<\(row.sender)>").hasPrefix("250"))
        let reply = try await client.send("RCPT TO:<\(row.recipient)>")
        #expect(reply.hasPrefix(row.reply), "\(reply)")
    }

    @Test("at MAIL, nobody is reached, and the null reverse-path passes")
    func atMail() async throws {
        let hub = try TestHub([.init(SenderDomain.self, #"{ "at": "mail" }"#)])
        hub.resolver.set(exchangers: .found([Self.null]), of: "s.example")
        let client = try await hub.connect(from: "192.0.2.99")
        _ = try await client.send("EHLO client.example.net")
        #expect(try await client.send("MAIL FROM:<a@s.example>").hasPrefix("550 5.7.27"))
        #expect(try await client.send("MAIL FROM:<>").hasPrefix("250"))
        #expect(try await client.send("RCPT TO:<ann@example.org>").hasPrefix("250"))
    }

    @Test("who would refuse because of trouble in the DNS is told so")
    func configuration() throws {
        #expect(throws: (any Error).self) {
            try TestHub([.init(SenderDomain.self, #"{ "unavailable": "refuse" }"#)])
        }
        #expect(throws: (any Error).self) { try TestHub([.init(SenderDomain.self, #"{ "unknown": "no" }"#)]) }
    }
}
