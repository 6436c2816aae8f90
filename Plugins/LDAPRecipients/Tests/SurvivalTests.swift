import Foundation
import MailHubPlugin
import PluginTestSupport
import Testing

@testable import LDAPRecipients

@Suite("Caches, survival mode and synchronisation")
struct SurvivalTests {
    private static func person(_ name: String) -> DirectoryEntry {
        entry("cn=\(name)", ["objectClass": ["inetOrgPerson"], "mail": ["\(name)@example.org"]])
    }
    private static let people = ["ann", "bob"].map(person)

    @Test("found and not found are kept for their own times; unavailable is not kept")
    func caches() async throws {
        let directory = ScriptedDirectory(Self.people)
        let fixture = try Fixture(directory, "{ \"cache\": { \"found\": \"10m\", \"missing\": \"1m\" } }")
        for _ in 0..<3 {
            #expect(try await fixture.resolve("ann@example.org") == "found")
            #expect(try await fixture.resolve("nobody@example.org") == "not found")
        }
        #expect(directory.searches.count == 2)
        fixture.clock.advance(by: .seconds(61))
        _ = try await fixture.resolve("ann@example.org")
        _ = try await fixture.resolve("nobody@example.org")
        #expect(directory.searches.count == 3)
        fixture.clock.advance(by: .seconds(600))
        _ = try await fixture.resolve("ann@example.org")
        #expect(directory.searches.count == 4)
        directory.fail("down")
        for _ in 0..<2 { #expect(try await fixture.resolve("eve@example.org") == "unavailable: down") }
        #expect(directory.searches.count == 6)
        directory.fail(nil)
        #expect(try await fixture.resolve("eve@example.org") == "not found")
    }

    @Test("many who ask at a time cost one search; one who goes away leaves the answer to the others")
    func simultaneous() async throws {
        let directory = ScriptedDirectory(Self.people)
        let fixture = try Fixture(directory)
        directory.hold(true)
        let first = Task { try await fixture.resolve("ann@example.org") }
        while directory.searches.isEmpty { await Task.yield() }
        let others = (0..<50).map { _ in Task { try await fixture.resolve("ann@example.org") } }
        for _ in 0..<100 { await Task.yield() }
        #expect(directory.searches.count == 1)
        first.cancel()
        _ = try await first.value
        directory.hold(false)
        for other in others { #expect(try await other.value == "found") }
        #expect(directory.searches.count == 2)
    }

    @Test("a group that is still being read when its client has gone is there for the next one")
    func leftBehind() async throws {
        let group = entry(
            "cn=all",
            [
                "objectClass": ["groupOfNames"], "mail": ["all@example.org"], "member": Self.people.map(\.name),
                "owner": [Self.people[0].name],
            ]
        )
        let all = "found, expand ann@example.org bob@example.org owner ann@example.org"
        let directory = ScriptedDirectory(Self.people + [group])
        let fixture = try Fixture(directory)
        directory.hold(true, behind: 1)
        let first = Task { try await fixture.resolve("all@example.org") }
        while directory.searches.count < 3 { await Task.yield() }
        first.cancel()
        let next = Task { try await fixture.resolve("all@example.org") }
        for _ in 0..<100 { await Task.yield() }
        directory.hold(false)
        #expect(try await next.value == all)
        #expect(try await fixture.resolve("all@example.org") == all)
        #expect(directory.searches.count == 4)
    }

    @Test("nobody waits for a look-up that takes its time already")
    func slow() async throws {
        let directory = ScriptedDirectory(Self.people)
        let fixture = try Fixture(directory)
        directory.hold(true)
        let first = Task { try await fixture.resolve("ann@example.org") }
        while directory.searches.isEmpty { await Task.yield() }
        fixture.clock.advance(by: .seconds(3))
        #expect(try await fixture.resolve("ann@example.org") == "unavailable: it is still being looked up")
        directory.hold(false)
        #expect(try await first.value == "found")
        #expect(try await fixture.resolve("ann@example.org") == "found")
    }

    @Test("the cache is bounded, and what is asked for often stays")
    func bounds() {
        var cache = ExpiringCache<Int>(capacity: 100)
        let now = Timestamp(milliseconds: 0)
        for number in 0..<10_000 {
            cache.set(number, for: "\(number)", expires: now + .seconds(1))
            #expect(cache.value(for: "0", at: now)?.value == 0)
            #expect(cache.count <= 101)
        }
        #expect(cache.value(for: "1", at: now) == nil)
        #expect(cache.value(for: "0", at: now + .seconds(1)) == nil)
    }

    @Test("while the directory is unavailable, what it confirmed is taken, all else deferred, nobody refused")
    func survival() async throws {
        let directory = ScriptedDirectory(Self.people)
        let fixture = try Fixture(
            directory,
            "{ \"survival\": \"3d\", \"cache\": { \"found\": \"1s\", \"missing\": \"1s\" } }"
        )
        #expect(try await fixture.resolve("ann@example.org") == "found")
        #expect(try await fixture.resolve("nobody@example.org") == "not found")
        try await fixture.plugin.index.flush()
        directory.fail("down")
        fixture.clock.advance(by: .seconds(2 * 86400))
        // After a restart too: another plugin over the same store.
        let restarted = try Fixture(directory, "{ \"survival\": \"3d\" }", store: fixture.store)
        restarted.clock.advance(by: .seconds(2 * 86400))
        for fixture in [fixture, restarted] {
            #expect(try await fixture.resolve("ann@example.org") == "found")
            #expect(try await fixture.resolve("bob@example.org") == "unavailable: down")
            #expect(try await fixture.resolve("nobody@example.org") == "unavailable: down")
            #expect(fixture.counters["oldest confirmation taken (seconds)"] == 2 * 86400)
            #expect(fixture.counters["recipients taken while the directory was unavailable"] == 1)
        }
        fixture.clock.advance(by: .seconds(86400 + 1))
        #expect(try await fixture.resolve("ann@example.org") == "unavailable: down")
    }

    @Test("a group of 1,500 whose members live on several hosts survives")
    func largeGroup() async throws {
        let members = (0..<1500).map { number in
            entry(
                "cn=m\(number)",
                [
                    "objectClass": ["inetOrgPerson"], "mail": ["member\(number)@example.org"],
                    "mailHost": ["h\(number % 3)"],
                ]
            )
        }
        let names = members.map(\.name)
        let group = entry("cn=all", ["objectClass": ["groupOfNames"], "mail": ["all@example.org"], "member": names])
        let directory = ScriptedDirectory(members + [group])
        let hosts = #""hosts": { "h0": "store-0", "h1": "store-1", "h2": "store-2" }"#
        let fixture = try Fixture(
            directory,
            "{ \"cache\": { \"found\": \"1s\" }, \"groups\": { \"members\": 1500 }, \(hosts) }"
        )
        let answer = try await fixture.resolve("all@example.org")
        #expect(answer.contains("member1499@example.org by store-2"))
        try await fixture.plugin.index.flush()
        directory.fail("down")
        fixture.clock.advance(by: .seconds(2))
        #expect(try await fixture.resolve("all@example.org") == answer)
    }

    @Test("lists of mailboxes are written short, and read as they were")
    func compact() throws {
        let addresses = [
            "ann@example.org", "bob@example.org", "\"a@b\"@example.org", "c@Example.org", "d@example.org",
            "e@[192.0.2.1]",
            "f@[192.0.2.1]",
        ]
        let mailboxes = try addresses.map { try #require(Mailbox($0)) }
        let data = try JSONEncoder().encode(CompactMailboxes(mailboxes))
        #expect(
            String(decoding: data, as: UTF8.self)
                == #"["ann@example.org","bob","\"a@b\"","c@Example.org","d@example.org","e@[192.0.2.1]","f"]"#
        )
        let read = try JSONDecoder().decode(CompactMailboxes.self, from: data)
        #expect(read.mailboxes.map(\.description) == addresses)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(CompactMailboxes.self, from: Data(#"["bob","ann@example.org"]"#.utf8))
        }
    }

    @Test("what has become too large to be kept is not kept as it was; who is gone and back again survives")
    func changes() async throws {
        func group(_ members: Int) -> DirectoryEntry {
            let addresses = (0..<members).map { "member\($0)@elsewhere.example" }
            return entry(
                "cn=all",
                ["objectClass": ["groupOfNames"], "mail": ["all@example.org"], "rfc822MailMember": addresses]
            )
        }
        let directory = ScriptedDirectory(Self.people + [group(2)])
        let fixture = try Fixture(
            directory,
            #"{ "cache": { "found": "1s", "missing": "1s" }, "groups": { "members": 5000 } }"#
        )
        func ask(_ entries: [DirectoryEntry], flushes: Bool = true) async throws -> [String] {
            directory.set(entries)
            fixture.clock.advance(by: .seconds(2))
            let answers = [
                try await fixture.resolve("ann@example.org"), try await fixture.resolve("all@example.org"),
            ]
            if flushes { try await fixture.plugin.index.flush() }
            return answers
        }
        #expect(
            try await ask(Self.people + [group(2)])
                == ["found", "found, expand member0@elsewhere.example member1@elsewhere.example"]
        )
        #expect(try await ask([group(5000)], flushes: false)[0] == "not found")
        #expect(try await ask(Self.people + [group(5000)])[0] == "found")
        directory.fail("down")
        #expect(try await ask([]) == ["found", "unavailable: down"])
        #expect(fixture.counters["survival records too large"] > 0)
    }

    @Test("who has left the directory does not survive; a store that fails refuses nobody")
    func gone() async throws {
        let directory = ScriptedDirectory(Self.people)
        let fixture = try Fixture(directory, "{ \"cache\": { \"found\": \"1s\", \"missing\": \"1s\" } }")
        #expect(try await fixture.resolve("ann@example.org") == "found")
        try await fixture.plugin.index.flush()
        directory.set([])
        fixture.clock.advance(by: .seconds(2))
        #expect(try await fixture.resolve("ann@example.org") == "not found")
        try await fixture.plugin.index.flush()
        directory.fail("down")
        fixture.clock.advance(by: .seconds(2))
        #expect(try await fixture.resolve("ann@example.org") == "unavailable: down")
        fixture.store.fail(with: StoreUnavailable("disk full"))
        #expect(try await fixture.resolve("ann@example.org") == "unavailable: down; and the store: disk full")
        directory.fail(nil)
        directory.set(Self.people)
        #expect(try await fixture.resolve("ann@example.org") == "found")
        await fixture.plugin.flush()  // cannot be written: tried again
        fixture.store.fail(with: nil)
        try await fixture.plugin.index.flush()
        #expect(try await fixture.plugin.index.count() == 1)
    }

    @Test("a full synchronisation fills the index and removes who has left, but only where all was read")
    func synchronisation() async throws {
        let group = entry(
            "cn=all",
            [
                "objectClass": ["groupOfNames"], "mail": ["all@example.org"],
                "member": ["cn=ann,dc=example,dc=org", "cn=bob,dc=example,dc=org"],
            ]
        )
        let directory = ScriptedDirectory(Self.people + [group, Self.person("ann2")])
        let fixture = try Fixture(directory, "{ \"sync\": { \"interval\": \"1h\" } }")
        let report = try #require(try await fixture.plugin.synchronise())
        #expect(report.entries == 4 && report.addresses == 4 && report.failure == nil)
        directory.set([Self.person("ann")])
        fixture.clock.advance(by: .seconds(60))
        directory.fail("down")
        #expect(try await fixture.plugin.synchronise()?.failure == "down")
        #expect(try await fixture.resolve("all@example.org") == "found, expand ann@example.org bob@example.org")
        directory.fail(nil)
        fixture.clock.advance(by: .seconds(60))
        #expect(try await fixture.plugin.synchronise()?.removed == 3)
        directory.fail("down")
        #expect(try await fixture.resolve("ann@example.org") == "found")
        #expect(try await fixture.resolve("bob@example.org") == "unavailable: down")
    }

    @Test("a filter of the site's own holds for the synchronisation too, which then removes nobody")
    func ownFilter() async throws {
        let any = "(&(mail=*)(accountStatus=active))"
        let active = entry(
            "cn=ann",
            [
                "objectClass": ["inetOrgPerson"], "mail": ["ann@example.org"],
                "text": [any, "(&(mail=ann@example.org)(accountStatus=active))"],
            ]
        )
        let directory = ScriptedDirectory([active, Self.person("gone")])
        let fixture = try Fixture(
            directory,
            #"{ "filter": "(&(mail={address})(accountStatus=active))", "sync": { "interval": "1h" } }"#
        )
        let report = try #require(try await fixture.plugin.synchronise())
        #expect(report.entries == 1 && report.addresses == 1 && report.failure == nil)
        directory.fail("down")
        #expect(try await fixture.resolve("ann@example.org") == "found")
        #expect(try await fixture.resolve("gone@example.org") == "unavailable: down")
        directory.fail(nil)
        directory.set([
            entry("cn=other", ["objectClass": ["inetOrgPerson"], "mail": ["other@example.org"], "text": [any]])
        ])
        fixture.clock.advance(by: .seconds(60))
        #expect(try await fixture.plugin.synchronise()?.removed == 0)
        directory.fail("down")
        #expect(try await fixture.resolve("ann@example.org") == "found")
    }

    @Test("who cannot be read at a synchronisation stays as confirmed before, and no longer than that")
    func staleGroup() async throws {
        func group(_ members: [String]) -> DirectoryEntry {
            entry(
                "cn=all",
                [
                    "objectClass": ["groupOfNames"], "mail": ["all@example.org"],
                    "member": members.map { "cn=\($0),dc=example,dc=org" },
                ]
            )
        }
        let directory = ScriptedDirectory(Self.people + [group(["ann", "bob"])])
        let fixture = try Fixture(
            directory,
            #"{ "survival": "3h", "groups": { "members": 2 }, "sync": { "interval": "1h" } }"#
        )
        _ = try await fixture.plugin.synchronise()
        directory.set((Self.people + [Self.person("eve"), group(["ann", "bob", "eve"])]))
        for _ in 0..<2 {
            fixture.clock.advance(by: .seconds(3600))
            #expect(try await fixture.plugin.synchronise()?.removed == 0)
        }
        directory.fail("down")
        #expect(try await fixture.resolve("all@example.org") == "found, expand ann@example.org bob@example.org")
        fixture.clock.advance(by: .seconds(3601))
        #expect(try await fixture.resolve("all@example.org") == "unavailable: down")
        #expect(try await fixture.resolve("eve@example.org") == "found")
    }

    @Test("while the directory has no answers, nobody is refused by an earlier one")
    func missingInTrouble() async throws {
        let directory = ScriptedDirectory(Self.people)
        let fixture = try Fixture(directory, #"{ "cache": { "missing": "1h" } }"#)
        #expect(try await fixture.resolve("nobody@example.org") == "not found")
        directory.fail("down")
        #expect(try await fixture.resolve("eve@example.org") == "unavailable: down")
        #expect(try await fixture.resolve("nobody@example.org") == "unavailable: down")
        directory.fail(nil)
        #expect(try await fixture.resolve("ann@example.org") == "found")
        let count = directory.searches.count
        #expect(try await fixture.resolve("nobody@example.org") == "not found")
        #expect(directory.searches.count == count)
    }

    @Test("a client that is gone is no trouble of the directory's")
    func goneClient() async throws {
        let directory = ScriptedDirectory(Self.people)
        let fixture = try Fixture(directory)
        directory.hold(true)
        let asking = Task { try await fixture.resolve("ann@example.org") }
        while directory.searches.isEmpty { await Task.yield() }
        asking.cancel()
        #expect(try await asking.value == "unavailable: cancelled")
        #expect(fixture.counters["directory unavailable"] == 0)
    }

    @Test("the task writes the index, and once more when it is cancelled")
    func task() async throws {
        let fixture = try Fixture(ScriptedDirectory(Self.people), "{ \"sync\": { \"interval\": \"1h\" } }")
        let task = Task { try await fixture.plugin.run() }
        for _ in 0..<3000 {
            if try await fixture.store.count() >= 3 { break }  // two people and the report
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(try await fixture.store.count() == 3)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
