import MailHubPlugin
import PluginTestSupport
import Testing

@testable import LDAPRecipients

@Suite("directory test, status, sync, forget")
struct OperatorTests {
    private func fixture() throws -> Fixture {
        try Fixture(ScriptedDirectory(ActiveDirectoryTests.entries, .activeDirectory))
    }

    @Test("test shows what was asked, what was found and what follows")
    func test() async throws {
        let fixture = try self.fixture()
        let person = try await fixture.test("ann.x@example.org")
        for part in [
            "search at ldaps://ldap.example.org, base \"dc=example,dc=org\" (subtree), filter "
                + "(|(proxyAddresses=smtp:ann.x@example.org)(mail=ann.x@example.org)): 1 entry",
            "server     ldaps://ldap.example.org", "entry      cn=ann,dc=example,dc=org",
            "aliases    ann@example.org, ann.x@example.org", "size       at most 20971520 octets",
            "cache      not in the cache", "index      never confirmed: 451 while the directory is unavailable",
            "verdict    accepted, delivered to ann@example.org", "userAccountControl: 512".lowercased(),
        ] {
            #expect(person.contains(part), "\(person)")
        }
        let group = try await fixture.test("board@example.org", ["from": "shy@example.org"])
        for part in [
            "members    1: ann@example.org", "owner      none", "senders    only cn=ann,dc=example,dc=org",
            "verdict    accepted, delivered to 1 members",
            "sender     <shy@example.org> through a client of the site: refused with 550 5.7.1: the sender is not listed",
        ] {
            #expect(group.contains(part), "\(group)")
        }
        #expect(try await fixture.test("gone@example.org").contains("verdict    refused with 550 5.1.1: the account"))
        #expect(try await fixture.test("no@example.org").contains("verdict    refused with 550 5.1.1: no entry has"))
        #expect(try await fixture.test("Postmaster@example.org").contains("verdict    accepted, since there always is"))
        #expect(try await fixture.test("ann@other.example").contains("verdict    not asked"))
    }

    @Test("test shows cache and index, with the age of the confirmation")
    func survival() async throws {
        let fixture = try self.fixture()
        _ = try await fixture.resolve("ann@example.org")
        #expect(try await fixture.test("ann@example.org").contains("cache      found, for another 10min"))
        fixture.directory.fail("down")
        fixture.clock.advance(by: .seconds(3 * 3600 + 120))
        let known = try await fixture.test("ann@example.org")
        #expect(known.contains("index      confirmed 3h 2min ago: taken without directory for another 6d 20h"))
        #expect(known.contains("verdict    accepted as confirmed earlier, delivered to ann@example.org"), "\(known)")
        #expect(try await fixture.test("bob@example.org").contains("verdict    refused for now with 451 4.4.3: down"))
        fixture.clock.advance(by: .seconds(7 * 86400))
        #expect(try await fixture.test("ann@example.org").contains("ago, too long"))
    }

    @Test("the other verbs, and what is no verb")
    func otherVerbs() async throws {
        let fixture = try self.fixture()
        _ = try await fixture.resolve("ann@example.org")
        let forgotten = try await fixture.plugin.operate(.init(verb: "forget", arguments: ["Ann@example.org"]))
        #expect(forgotten.lines.first?.hasPrefix("ann@example.org: forgotten") ?? false)
        #expect(fixture.plugin.cache.counts.found == 0)
        let synchronised = try await fixture.plugin.operate(.init(verb: "sync"))
        #expect(synchronised.lines == ["11 entries, 13 addresses, 0 removed"])
        let status = try await fixture.plugin.operate(.init(verb: "status"))
        #expect(status.rows.contains(["confirmed addresses kept", "13"]))
        for request in [OperatorRequest(verb: "list"), .init(verb: "test"), .init(verb: "forget", arguments: ["x"])] {
            await #expect(throws: OperatorMistake.self) { try await fixture.plugin.operate(request) }
        }
    }
}
