import Aliases
import DNSBlocklists
import Greylisting
import LDAPRecipients
import MailHubPlugin
import MailHubPluginTesting
import RateLimits
import SenderDomain
import StaticRecipients
import Testing

@Suite("Shipped plugins with one another: what one makes of a recipient is what the others see")
struct PluginsTogetherTests {
    private static let aliases = TestHub.Plugin(
        StaticRecipients.self,
        """
        { "recipients": ["ann@example.org", "bob@example.org"], "aliases": {
            "abuse@example.org": ["ann@example.org"], "postmaster@example.org": ["ann@example.org", "bob@example.org"]
        } }
        """
    )

    /// A policy that refuses mail to ann.
    struct Policy: CustomTestStringConvertible, Sendable {
        let plugin: TestHub.Plugin
        let reply: String
        let testDescription: String

        init(_ type: any HubPlugin.Type, _ configuration: String, _ reply: String) {
            self.plugin = .init(type, configuration)
            self.reply = reply
            self.testDescription = type.name
        }

        static let all = [
            Policy(DNSBlocklists.self, #"{"lists": [{"zone": "bad.example"}], "testEvery": "0s"}"#, "550 5.7.1"),
            Policy(SenderDomain.self, "{}", "550 5.1.8"),
            Policy(Greylisting.self, #"{"exempt": {"recipients": ["postmaster", "abuse@example.org"]}}"#, "450 4.7.1"),
            Policy(
                RateLimits.self,
                """
                {"exempt": {"recipients": ["postmaster", "abuse"]},
                 "limits": [{"by": "client", "recipients": 1, "per": "1h", "burst": 1}]}
                """,
                "450 4.7.1"
            ),
        ]
    }

    @Test(
        "S5321-4.5.1-03: whom a policy spares is known by the name that the client uses, whoever reads the mail",
        arguments: Policy.all
    )
    func spared(_ policy: Policy) async throws {
        let hub = try TestHub([Self.aliases, policy.plugin])
        hub.resolver.set(addresses: .found([.ipv4(0x7F00_0002)]), of: "99.2.0.192.bad.example")
        let client = try await hub.connect(from: "192.0.2.99")
        _ = try await client.send("EHLO client.example.net")
        _ = try await client.send("MAIL FROM:<a@nowhere.example>")
        if policy.testDescription == RateLimits.name { _ = try await client.send("RCPT TO:<bob@example.org>") }
        let reply = try await client.send("RCPT TO:<ann@example.org>")
        #expect(reply.hasPrefix(policy.reply), "\(reply)")
        for recipient in ["abuse@example.org", "postmaster@example.org", "Postmaster", "postmaster@hub.example.org"] {
            let reply = try await client.send("RCPT TO:<\(recipient)>")
            #expect(reply.hasPrefix("250"), "\(recipient): \(reply)")
        }
    }

    @Test("an alias is no way around who may write to a group")
    func restrictedGroup() async throws {
        let hub = try TestHub([
            .init(Aliases.self, #"{"aliases": {"directors@example.org": ["board@example.org"]}}"#),
            .init(LDAPRecipients.self, #"{"profile": "activeDirectory", "groups": {"nested": "walk"}}"#),
        ])
        hub.directory.answer { search in
            let text = "\(search.filter)"
            if search.scope == .base {
                return .found([DirectoryEntry(name: "cn=ann", attributes: ["mail": ["ann@example.org"]])])
            }
            guard text.contains("board@example.org") else { return .notFound }
            let group = [
                "objectClass": ["group"], "mail": ["board@example.org"], "member": ["cn=ann"],
                "msExchRequireAuthToSendTo": ["TRUE"],
            ]
            return .found([DirectoryEntry(name: "cn=board", attributes: group)])
        }
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        _ = try await client.send("MAIL FROM:<a@example.net>")
        for recipient in ["board@example.org", "directors@example.org"] {
            let reply = try await client.send("RCPT TO:<\(recipient)>")
            #expect(reply.hasPrefix("550 5.7.1"), "\(recipient): \(reply)")
        }
    }
}
