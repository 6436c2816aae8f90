import MailHubPlugin
import Testing

@testable import LDAPClient

@Suite("RFC 4516 section 2: URLs of servers; which server is used")
struct ServerTests {
    @Test(
        arguments: [
            ("ldap://dc1.example.org", "plain dc1.example.org 389"),
            ("LDAPS://dc1.example.org/", "tls dc1.example.org 636"),
            ("ldap://127.0.0.1:3890", "plain 127.0.0.1 3890"), ("ldap://[::1]:3890", "plain ::1 3890"),
            ("ldaps://[2001:db8::1]", "tls 2001:db8::1 636"),
            ("ldapi://%2Frun%2Fslapd%2Fldapi", "local /run/slapd/ldapi"),
            ("ldapi://run", nil), ("ldap://", nil), ("http://x", nil), ("dc1.example.org", nil), ("ldap://x:0", nil),
            ("ldap://x:99999", nil), ("ldap://x/dc=example", nil), ("ldap://x?sub", nil), ("ldap://user@x", nil),
            ("ldap://[::1", nil), ("ldap://[x]", nil), ("ldapi://%2", nil), ("ldapi://%00", nil), ("ldap://a:b:c", nil),
        ] as [(String, String?)]
    )
    func urls(_ text: String, _ expected: String?) {
        let server = LDAPServer(text)
        switch server?.transport {
        case nil: #expect(expected == nil)
        case .plain: #expect(expected == "plain \(server?.host ?? "") \(server?.port ?? 0)")
        case .tls: #expect(expected == "tls \(server?.host ?? "") \(server?.port ?? 0)")
        case .local(let path): #expect(expected == "local \(path)")
        }
    }

    @Test("the first server that works is used; one that failed is passed over and probed when its time is over")
    func health() {
        var health = ServerHealth(count: 3, pause: 100)
        #expect(health.preferred == 0)
        health.failed(0, "gone", 1000)
        #expect(health.preferred == 1)
        #expect(health.alternative(to: 1) == 2)
        #expect(health.due(1050, before: 3).isEmpty)
        #expect(health.nextProbe == 1100)
        #expect(health.due(1100, before: 3) == [0])
        health.connecting(0)
        #expect(health.due(1100, before: 3).isEmpty)  // one probe at a time
        #expect(health.preferred == 1)  // not used before the probe succeeds
        health.attemptEnded(0)
        health.failed(0, "gone", 1200)
        #expect(health.due(1250, before: 3).isEmpty)
        health.connected(0)
        #expect(health.preferred == 0)
        for server in 0..<3 { health.failed(server, "down \(server)", 2000) }
        #expect(health.preferred == nil)
        #expect(health.reasons == "down 0; down 1; down 2")
    }

    @Test("passwords are not in descriptions")
    func noPasswords() {
        #expect("\(LDAPBind.simple(name: "cn=hub", password: "geheim"))" == "simple cn=hub")
    }
}
