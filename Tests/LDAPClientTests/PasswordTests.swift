import Foundation
import LDAPClient
import MailHubPlugin
import NIOPosix
import TestSupport
import Testing

@Suite("RFC 4513 section 5.1.3: passwords are checked by binding as the user")
struct PasswordTests {
    private static let users =
        Entries.tree + Entries.user("ann", mail: "ann@example.org", password: "s3cret wörd")
        + Entries.user("twin1", login: "twin") + Entries.user("twin2", login: "twin") + Entries.user("nopw")

    private static func passwords(_ urls: [String], _ slapd: Slapd) throws -> (LDAPPasswords, LDAPDirectory) {
        var settings = LDAPSettings(
            servers: urls.compactMap { LDAPServer($0) },
            base: "dc=example,dc=org",
            profile: .openldap
        )
        settings.authorities = slapd.authorities
        let directory = try Entries.directory(urls) { $0 = settings }
        return (
            LDAPPasswords(settings: settings, directory: directory, threads: BindThreads(pool: .singleton)), directory
        )
    }

    @Test("three answers, over plain connections on this host and over TLS; names are escaped")
    func answers() async throws {
        guard let slapd = try await onThread({ try Slapd.start(Self.users) }) else { return }
        for url in [slapd.url, slapd.tlsURL] {
            let (passwords, directory) = try Self.passwords([url], slapd)
            #expect(await passwords.check("s3cret wörd", of: "ann") == .found(["ann@example.org"]))
            #expect(
                await passwords.check("s3cret wörd", of: "ANN@example.org") == .found(["ann@example.org"])
            )
            for (user, password) in [
                ("ann", "S3cret wörd"), ("ann", ""), ("ann", "\u{0}"), ("ann", "s3cret wörd\u{0}"), ("nobody", "x"),
                ("nopw", "x"), ("*", "s3cret wörd"), ("ann)(uid=*", "s3cret wörd"), ("", "x"),
            ] {
                #expect(await passwords.check(password, of: user) == .notFound, "\(user) \(password)")
            }
            guard case .unavailable(let why) = await passwords.check("x", of: "twin") else {
                Issue.record("two entries are no answer")
                return
            }
            #expect(why.contains("2 entries"))
            directory.shutDown()
        }
    }

    @Test(
        "a server that is down: the next one is asked, and without any there is no answer; no reason holds the password"
    )
    func outage() async throws {
        guard let slapd = try await onThread({ try Slapd.start(Self.users) }) else { return }
        let dead = "ldap://127.0.0.1:\(try freePort())"
        let (both, first) = try Self.passwords([dead, slapd.url], slapd)
        #expect(await both.check("s3cret wörd", of: "ann") == .found(["ann@example.org"]))
        let (alone, second) = try Self.passwords([slapd.url], slapd)
        try await onThread { slapd.stop() }
        guard case .unavailable(let why) = await alone.check("s3cret wörd", of: "ann") else {
            Issue.record("an answer without a server")
            return
        }
        #expect(!why.contains("s3cret"))
        first.shutDown()
        second.shutDown()
    }
}
