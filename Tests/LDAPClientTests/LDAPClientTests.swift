import Foundation
import LDAPClient
import MailHubPlugin
import Testing
import TestSupport

@Suite("RFC 4511: searches at a real slapd")
struct LDAPClientTests {
    private static func server(people: Int = 3) async throws -> Slapd? {
        try await onThread { try Slapd.start(Entries.tree + Entries.referral + Entries.people(people)) }
    }

    @Test(
        "S4511-4.1.10-01: found, not found and unavailable are three answers; a referral is the last; the server is named"
    )
    func threeAnswers() async throws {
        guard let server = try await Self.server() else { return }
        let directory = try Entries.directory([server.url])
        #expect(directory.lastServer == nil)
        #expect(await summary(directory.search(search("person1@example.org"))) == "person1")
        #expect(directory.lastServer == server.url)
        #expect(await directory.search(search("nobody@example.org")) == .notFound)
        let gone = await summary(directory.search(search("x@example.org", base: "cn=gone,dc=example,dc=org")))
        #expect(gone.contains("is not there"), "\(gone)")
        let named = DirectorySearch(
            base: "cn=gone,dc=example,dc=org",
            scope: .base,
            filter: .present("objectClass"),
            attributes: ["cn"]
        )
        #expect(await directory.search(named) == .notFound)
        let noFilter = DirectorySearch(filter: .text("(mail=x"), attributes: ["cn"])
        #expect(await summary(directory.search(noFilter)).hasPrefix("unavailable: Bad search filter"))
        let elsewhere = await summary(directory.search(search("x@example.org", base: "ou=elsewhere,dc=example,dc=org")))
        #expect(elsewhere.contains("refers to ldap://127.0.0.2/"), "\(elsewhere)")
        let part = await summary(directory.search(search("x@example.org", base: "dc=example,dc=org")))
        #expect(part.contains("part of the answer is at ldap://127.0.0.2/"), "\(part)")
        // A base that is not there says nothing about anybody.
        let wrong = try Entries.directory([server.url]) { $0.base = "dc=other,dc=example,dc=org" }
        #expect(await summary(wrong.search(search("person1@example.org"))).contains("is not there"))
        directory.shutDown()
        #expect(await summary(directory.search(search("person1@example.org"))) == "unavailable: shut down")
    }

    @Test("many searches on one connection; long answers in pages (RFC 2696); too many entries are no answer")
    func manySearches() async throws {
        guard let server = try await Self.server(people: 10_000) else { return }
        let directory = try Entries.directory([server.url]) { settings in
            settings.connections = 1
            // For machines that have much else to do.
            (settings.timeouts.search, settings.timeouts.total) = (.seconds(60), .seconds(100))
        }
        let wrong = await withTaskGroup { group in
            for number in 0..<2000 {
                group.addTask {
                    await summary(directory.search(search("person\(number)@example.org"))) == "person\(number)"
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 0 : 1 }
        }
        #expect(wrong == 0)
        let all = DirectorySearch(filter: .begins("mail", "person"), attributes: ["mail"], limit: 20_000)
        guard case .found(let entries) = await directory.search(all) else {
            Issue.record("\(await summary(directory.search(all)).prefix(200))")
            return
        }
        #expect(Set(entries.flatMap { $0["mail"] }).count == 10_000)
        for limit in [3, 5000] {
            let few = DirectorySearch(filter: .begins("mail", "person"), attributes: ["mail"], limit: limit)
            #expect(await summary(directory.search(few)).hasPrefix("unavailable: "))
        }
    }

    private static let hostile = [
        "*", "person1*", "*)(cn=*", "person1@example.org)(|(cn=*))", "\\2a", "person\u{0}1", "(", "é*@example.org",
        "person1@example.org\\", "\u{7F}", String(repeating: "x", count: 5000),
    ]

    @Test("S4515-3-01: addresses cannot change a filter")
    func hostileAddresses() async throws {
        guard let server = try await Self.server() else { return }
        let directory = try Entries.directory([server.url])
        for address in Self.hostile {
            #expect(await directory.search(search(address)) == .notFound, "\(address)")
        }
        #expect(await summary(directory.search(search("person1@example.org"))) == "person1")
    }

    struct Login: Sendable {
        let name: String
        let url: @Sendable (Slapd) -> String
        let change: @Sendable (inout LDAPSettings, Slapd) -> Void
        let finds: Bool
        var message = ""
    }
    private static let hub = LDAPBind.simple(name: "cn=hub,dc=example,dc=org", password: "hub-secret")
    private static let logins = [
        Login(name: "anonymous", url: \.url, change: { _, _ in }, finds: false, message: "is not there"),
        Login(name: "simple", url: \.url, change: { settings, _ in settings.bind = hub }, finds: true),
        Login(
            name: "wrong password",
            url: \.url,
            change: { settings, _ in settings.bind = .simple(name: "cn=hub,dc=example,dc=org", password: "geheim") },
            finds: false,
            message: "bind (simple cn=hub,dc=example,dc=org): Invalid credentials"
        ),
        Login(
            name: "StartTLS",
            url: \.url,
            change: { settings, server in
                settings.bind = hub
                settings.usesStartTLS = true
                settings.authorities = server.authorities
            },
            finds: true
        ),
        Login(
            name: "ldaps",
            url: \.tlsURL,
            change: { settings, server in
                settings.bind = hub
                settings.authorities = server.authorities
            },
            finds: true
        ),
        Login(
            name: "ldaps with a client certificate (SASL EXTERNAL)",
            url: \.tlsURL,
            change: { settings, server in
                settings.bind = .external
                settings.authorities = server.authorities
                settings.clientCertificate = (server.path("client.pem"), server.path("client.key"))
            },
            finds: true
        ),
        Login(
            name: "ldapi (SASL EXTERNAL)",
            url: \.localURL,
            change: { settings, _ in settings.bind = .external },
            finds: true
        ),
        Login(
            name: "an authority that is not trusted",
            url: \.tlsURL,
            change: { settings, server in settings.authorities = server.path("client.pem") },
            finds: false,
            message: "TLS: "
        ),
        Login(
            name: "no authorities at all",
            url: \.url,
            change: { settings, _ in
                settings.usesStartTLS = true
                settings.authorities = "/nonexistent.pem"
            },
            finds: false,
            message: "StartTLS: "
        ),
        Login(
            name: "a name that the certificate does not have",
            url: { "ldaps://localhost:\($0.tlsPort)" },
            change: { settings, server in settings.authorities = server.authorities },
            finds: false,
            message: "TLS: "
        ),
    ]

    @Test("S4513-3.1.3-01: who is let in, and over what")
    func binds() async throws {
        guard let server = try await Self.server() else { return }
        for login in Self.logins {
            let directory = try Entries.directory([login.url(server)]) { settings in
                settings.base = "ou=secret,dc=example,dc=org"
                login.change(&settings, server)
            }
            let answer = await summary(directory.search(search("hidden@example.org")))
            if login.finds {
                #expect(answer == "hidden", "\(login.name)")
            } else {
                #expect(answer.hasPrefix("unavailable") && answer.contains(login.message), "\(login.name): \(answer)")
            }
            #expect(!answer.contains("geheim") && !answer.contains("hub-secret"))
        }
    }
}
