import LDAPClient
import MailHubPlugin
import TestSupport
import Testing

@Suite("RFC 4511: servers that no real slapd is", .timeLimit(.minutes(2)))
struct HostileServerTests {
    private typealias Answer = ScriptedLDAPServer.Answer

    /// What a client finds out about all entries, in pages of two; it has two names for the server, to go on with the second.
    private func answer(
        _ script: @escaping @Sendable (_ number: Int, _ request: String) -> ScriptedLDAPServer.Answer,
        _ scope: DirectorySearch.Scope = .subtree,
        base: String? = nil
    ) async throws -> String {
        let server = try ScriptedLDAPServer(script)
        defer { server.stop() }
        let urls = ["ldap://127.0.0.1:\(server.port)", "ldap://localhost:\(server.port)"]
        let directory = try Entries.directory(urls) { $0.pageSize = 2 }
        defer { directory.shutDown() }
        let search = DirectorySearch(
            base: base,
            scope: scope,
            filter: .present("mail"),
            attributes: ["mail", "cn"],
            limit: 100
        )
        switch await directory.search(search) {
        case .found(let entries): return entries.flatMap { $0["cn"] }.joined(separator: " ")
        case .notFound: return "not found"
        case .unavailable(let why): return "unavailable: \(why)"
        }
    }

    @Test(
        "A connection is reset behind a page: the search begins again, once; no page is taken twice, no cookie elsewhere"
    )
    func resetBehindPage() async throws {
        let first = Answer(
            [.entry("cn=a", attribute: "cn", value: "a"), .done(0, cookie: "cookie of the first")],
            resets: true
        )
        let again = try await self.answer { number, request in
            if number == 0 { return first }
            if request.contains("cookie of the first") { return Answer([.done(53, cookie: nil)]) }
            return Answer([
                .entry("cn=a", attribute: "cn", value: "a"), .entry("cn=b", attribute: "cn", value: "b"),
                .done(0, cookie: nil),
            ])
        }
        #expect(again == "a b")
        let never = try await self.answer { _, _ in first }
        #expect(never.hasPrefix("unavailable: "), "\(never)")
    }

    @Test("A base that is not there: unknown is only who was asked for by name")
    func noSuchObject() async throws {
        let gone = Answer([.done(32, cookie: nil)])
        let below = try await self.answer({ _, _ in gone }, base: "ou=poeple,dc=example,dc=org")
        #expect(below.contains("the base \"ou=poeple,dc=example,dc=org\" is not there"), "\(below)")
        #expect(try await self.answer({ _, _ in gone }, .base, base: "cn=gone,dc=example,dc=org") == "not found")
    }

    @Test(
        "An entry that cannot be read is no answer: neither \"not found\" nor an entry without its attributes",
        arguments: [ScriptedLDAPServer.Operation.tornEntry("cn=a"), .namelessEntry]
    )
    func malformed(_ operation: ScriptedLDAPServer.Operation) async throws {
        let said = try await self.answer { _, _ in Answer([operation, .done(0, cookie: nil)]) }
        #expect(said.hasPrefix("unavailable: "), "\(said)")
    }
}
