import Delivery
import MailHubPlugin
import MailQueue
import SMTP
import Testing

@Suite("RFC 5321 section 3.6: the way of a recipient")
struct RouterTests {
    @Test(
        "By the plugin's route, the domain's, or the default one; local parts mean nothing (S5321-2.3.11-01)",
        arguments: [
            ("ann@example.org", nil, "store"),
            ("ann@EXAMPLE.org", nil, "store"),
            ("ann@other.example.org", nil, "internet/other.example.org"),
            ("ann%example.org@Far.example", nil, "internet/far.example"),
            ("ann@[192.0.2.1]", nil, "internet/[192.0.2.1]"),
            ("ann@[IPv6:2001:db8::1]", nil, "internet/[IPv6:2001:db8::1]"),
            ("ann@bücher.example", nil, "internet/xn--bcher-kva.example"),
            ("ann@example.org", "archive", "archive"),
            ("ann@example.org", "internet", "internet/example.org"),
            ("ann@example.org", "gone", "gone"),
            ("ann@far.example", "gone", "gone"),
        ] as [(String, String?, String)]
    )
    func destination(address: String, route: String?, expected: String) throws {
        let router = Router(
            routeOfDomain: [try #require(Domain("example.org")): "store"],
            defaultRoute: "internet",
            usesMX: ["store": false, "archive": false, "internet": true]
        )
        var recipient = try recipient(address)
        recipient.route = route
        #expect(router.destination(for: recipient).description == expected)
    }
}

@Suite("A next hop that the configuration names")
struct FixedNextHopTests {
    @Test(
        "Addresses of the host, in the resolver's order (S5321-5.1-15)",
        arguments: [
            (FixedNextHop.Location.host("192.0.2.1", port: 2525), ["192.0.2.1 192.0.2.1 2525"]),
            (.host("2001:db8::1", port: 25), ["2001:db8::1 2001:db8::1"]),
            (.host("localhost", port: 24), ["localhost 127.0.0.1 24", "localhost ::1 24"]),
            (.host("mail.internal", port: 25), ["mail.internal 192.0.2.2", "mail.internal 192.0.2.1"]),
            (.host("gone.internal", port: 25), ["451 4.4.4"]),
            (.host("sick.internal", port: 25), ["451 4.4.4"]),
            (.unixSocket(path: "/run/lmtp"), ["localhost /run/lmtp"]),
        ]
    )
    func nextHops(location: FixedNextHop.Location, expected: [String]) async throws {
        let resolver = ScriptedResolver(
            hosts: ["mail.internal": ["192.0.2.2", "192.0.2.1"], "sick.internal": nil]
        )
        let answer: [String]
        do throws(TransportFailure) {
            answer = try await FixedNextHop(location, resolver: resolver).nextHops(for: .store).map(\.text)
        } catch {
            #expect(error.isDestinationTrouble)
            answer = ["\(error.reply.code) \(error.reply.enhancedText ?? "")"]
        }
        #expect(answer == expected)
    }
}
