import DNSBlocklists
import MailHubPlugin
import MailHubPluginTesting
import Testing

@Suite("DNSBlocklists: what the client sees")
struct DNSBlocklistSessionTests {
    @Test(
        "S5321-4.5.1-03: a listed client reaches nobody but the postmaster; the log has the reason, the reply has not"
    )
    func refused() async throws {
        let hub = try TestHub([.init(DNSBlocklists.self, #"{"lists": [{"zone": "bad.example"}], "testEvery": "0s"}"#)])
        hub.resolver.set(addresses: .found([.ipv4(0x7F00_0002)]), of: "99.2.0.192.bad.example")
        hub.resolver.set(texts: .found(["Caught\r\nat it"]), of: "99.2.0.192.bad.example")
        let client = try await hub.connect(from: "192.0.2.99")
        _ = try await client.send("EHLO client.example.net")
        _ = try await client.send("MAIL FROM:<a@example.net>")
        let reply = try await client.send("RCPT TO:<b@example.org>")
        #expect(reply.hasPrefix("550 5.7.1"))
        #expect(!reply.contains("bad.example") && !reply.contains("Caught"))
        #expect(try await client.send("RCPT TO:<postmaster@example.org>").hasPrefix("250"))
        let other = try await hub.connect(from: "192.0.2.98")
        _ = try await other.send("EHLO client.example.net")
        _ = try await other.send("MAIL FROM:<a@example.net>")
        #expect(try await other.send("RCPT TO:<b@example.org>").hasPrefix("250"))
    }
}
