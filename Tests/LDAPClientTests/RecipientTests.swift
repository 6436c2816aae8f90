import Foundation
import LDAPClient
import LDAPRecipients
import Logging
import MailHubPlugin
import PluginTestSupport
import Testing
import TestSupport

@Suite("Recipients from a real directory of 10,000 people")
struct RecipientTests {
    private struct SystemTime: WallClock {
        var now: Timestamp { Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) }
    }
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private static func plugin(
        _ directory: LDAPDirectory,
        _ configuration: String,
        store: MemoryKeyValueStore = MemoryKeyValueStore()
    ) throws -> LDAPRecipients {
        let section = try ConfigurationSection.parse(configuration)
        let services = PluginServices(
            logger: Self.logger,
            clock: SystemTime(),
            resolver: ScriptedResolver(),
            directory: directory,
            store: store,
            servedDomains: Set(["example.org"].compactMap { Domain($0) })
        )
        let plugin = try LDAPRecipients(configuration: section, services: services)
        #expect(section.problems().isEmpty)
        return plugin
    }

    private static func resolve(_ address: String, _ plugin: LDAPRecipients) async throws -> String {
        let mailbox = try #require(Mailbox(address))
        let resolution = try await plugin.resolve(mailbox, session())
        guard case .found(let recipient) = resolution else { return describe(resolution) }
        let edits = recipient.edits.map { edit -> String in
            guard case .expand(let members, let owner) = edit else { return describe(edit) }
            let few =
                members.count > 20 ? "\(members.count)" : members.map(\.description).sorted().joined(separator: " ")
            return "expand \(few) owner \(owner?.description ?? "none")"
        }
        return (["found"] + edits).joined(separator: ", ")
    }

    private static let configuration = """
        { "hosts": {
            "store0.example.org": "store-0", "store1.example.org": "store-1", "store2.example.org": "store-2"
        } }
        """
    private static let openldap = [
        "person4999@example.org": "found", "PERSON7@Example.ORG": "found, replace person7@example.org",
        "other40@example.org": "found, replace person40@example.org",
        "local1@example.org": "found, replace away1@elsewhere.example",
        "person12@example.org": "found, route store-0",
        "nobody@example.org": "not found", "user5@elsewhere.example": "next", "*@example.org": "not found",
        "\"person7)(mail=*\"@example.org": "not found",
        "groups-level2@example.org": "found, expand "
            + "person13@example.org person14@example.org person23@example.org person24@example.org "
            + "person33@example.org person34@example.org person3@example.org person43@example.org "
            + "person44@example.org person4@example.org owner person3@example.org",
        "groups-everybody@example.org": "found, expand 400 owner person3@example.org",
    ]
    private static let activeDirectory = [
        "user4990@example.org": "found", "proxy7@example.org": "found, replace user7@example.org",
        "user9@example.org": "not found", "nobody@example.org": "not found",
        "lists-level4@example.org": "found, expand "
            + "user13@example.org user14@example.org user23@example.org user24@example.org "
            + "user33@example.org user34@example.org user3@example.org user43@example.org "
            + "user44@example.org user4@example.org owner user3@example.org",
        "lists-everybody@example.org": "found, expand 400 owner user3@example.org",
    ]

    @Test("both profiles, groups, synchronisation; then the server stops and comes back: nobody is wrongly refused")
    func profilesAndOutage() async throws {
        guard let server = try await onThread({ try Slapd.start(DirectoryPeople.ldif) }) else { return }
        func directory(_ profile: DirectoryProfile) throws -> LDAPDirectory {
            try Entries.directory([server.url]) { settings in
                settings.base = "dc=example,dc=org"
                settings.profile = profile
                settings.bind = .simple(name: "cn=hub,dc=example,dc=org", password: "hub-secret")
            }
        }
        let store = MemoryKeyValueStore()
        let ldap = try Self.plugin(directory(.openldap), Self.configuration, store: store)
        for (address, expected) in Self.openldap {
            let answer = try await Self.resolve(address, ldap)
            #expect(answer == expected, "\(address)")
        }
        let users = try Self.plugin(directory(.activeDirectory), "{}")
        for (address, expected) in Self.activeDirectory {
            let answer = try await Self.resolve(address, users)
            #expect(answer == expected, "\(address)")
        }

        let report = try await ldap.operate(OperatorRequest(verb: "sync"))
        #expect(report.lines == ["10007 entries, 20007 addresses, 0 removed"])
        try await onThread { server.stop() }
        // Asked by nobody before, but read by the synchronisation.
        #expect(try await Self.resolve("other3000@example.org", ldap) == "found, replace person3000@example.org")
        #expect(try await Self.resolve("nobody2@example.org", ldap).hasPrefix("unavailable"))
        let test = try await ldap.operate(OperatorRequest(verb: "test", arguments: ["other3000@example.org"]))
        #expect(
            test.lines.last?.contains("accepted as confirmed earlier, delivered to person3000@example.org") ?? false
        )
        // Another process over the same store.
        let restarted = try Self.plugin(directory(.openldap), Self.configuration, store: store)
        #expect(try await Self.resolve("other3000@example.org", restarted) == "found, replace person3000@example.org")
        #expect(try await Self.resolve("nobody2@example.org", restarted).hasPrefix("unavailable"))
        try await onThread { try server.start() }
        var answer = ""
        for _ in 0..<400 where answer != "not found" {
            answer = try await Self.resolve("nobody2@example.org", ldap)
            #expect(answer == "not found" || answer.hasPrefix("unavailable"))
            try await Task.sleep(for: .milliseconds(50))
        }
        #expect(answer == "not found")
    }
}
