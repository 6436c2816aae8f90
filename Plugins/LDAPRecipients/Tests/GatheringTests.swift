import MailHubPlugin
import Synchronization
import Testing

@Suite("Addresses that wait for the directory share a search")
struct GatheringTests {
    private static let addresses =
        (0..<60).map { "person\($0)@example.org" }
        + ["ann@example.org", "ANN@example.net", "a.smith@example.org", "two@example.org", "nobody@example.org"]
    private static let entries =
        OpenLDAPTests.entries + (0..<60).map { entry("cn=person\($0)", ["mail": ["person\($0)@example.org"]]) }

    /// What is said about all addresses when they are asked about at one time.
    private func together(_ fixture: Fixture) async throws -> [String: String] {
        fixture.directory.hold(true)
        return try await withThrowingTaskGroup { group in
            for address in Self.addresses { group.addTask { (address, try await fixture.resolve(address)) } }
            while fixture.directory.searches.isEmpty { await Task.yield() }
            // All but two come while these are held.
            for _ in 0..<2000 { await Task.yield() }
            fixture.directory.hold(false)
            return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    private func alone() async throws -> [String: String] {
        let fixture = try Fixture(ScriptedDirectory(Self.entries))
        var answers: [String: String] = [:]
        for address in Self.addresses { answers[address] = try await fixture.resolve(address) }
        return answers
    }

    @Test("each gets the answer that it gets alone, with a fraction of the searches")
    func answers() async throws {
        let fixture = try Fixture(ScriptedDirectory(Self.entries))
        #expect(try await self.together(fixture) == self.alone())
        #expect(fixture.directory.searches.count < Self.addresses.count / 2)
    }

    @Test("a directory that limits filters is asked about each alone")
    func limitedFilters() async throws {
        let fixture = try Fixture(ScriptedDirectory(Self.entries, largestFilter: 3))
        #expect(try await self.together(fixture) == self.alone())
    }

    @Test("a directory that is unavailable stays so for each")
    func unavailable() async throws {
        let fixture = try Fixture(ScriptedDirectory(Self.entries))
        fixture.directory.fail("down")
        let answers = try await self.together(fixture)
        #expect(Set(answers.values) == ["unavailable: down"])
    }

    @Test("an entry that was found by what it does not show belongs to nobody else")
    func otherEquality() async throws {
        // This directory takes dots in names for nothing.
        let fixture = try Fixture(
            ScriptedDirectory([entry("cn=ann", ["mail": ["ann.smith@example.org"]])], ignoringDots: true)
        )
        fixture.directory.hold(true)
        let addresses = ["x1", "x2", "annsmith", "x3", "x4"].map { "\($0)@example.org" }
        let answers = try await withThrowingTaskGroup { group in
            for address in addresses { group.addTask { (address, try await fixture.resolve(address)) } }
            for _ in 0..<2000 { await Task.yield() }
            fixture.directory.hold(false)
            return try await group.reduce(into: [String: String]()) { $0[$1.0] = $1.1 }
        }
        #expect(answers["annsmith@example.org"] == "found, replace ann.smith@example.org")
        #expect(answers["x1@example.org"] == "not found")
        #expect(answers["x4@example.org"] == "not found")
    }
}
