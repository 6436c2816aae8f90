import LDAPRecipients
import MailHubPlugin
import PluginTestSupport
import Synchronization

/// A directory in memory that evaluates filters, and can be switched off.
final class ScriptedDirectory: Directory {
    private struct State {
        var entries: [DirectoryEntry] = []
        var failure: String?
        var searches: [DirectorySearch] = []
        /// Answers wait for it.
        var isHeld = false
        /// Those wait that are behind so many searches.
        var heldBehind = 0
    }
    private let state = Mutex(State())
    let base = "dc=example,dc=org"
    let profile: DirectoryProfile
    let knowsChainRule: Bool
    /// Filters of more parts are refused.
    let largestFilter: Int
    let ignoresDots: Bool
    /// How many values of `member` are given at once, as Active Directory does.
    let valuesAtOnce: Int
    var lastServer: String? { "ldaps://ldap.example.org" }

    init(
        _ entries: [DirectoryEntry],
        _ profile: DirectoryProfile = .openldap,
        knowsChainRule: Bool = true,
        largestFilter: Int = .max,
        ignoringDots: Bool = false,
        valuesAtOnce: Int = .max
    ) {
        self.profile = profile
        self.knowsChainRule = knowsChainRule
        self.largestFilter = largestFilter
        self.ignoresDots = ignoringDots
        self.valuesAtOnce = valuesAtOnce
        self.state.withLock { $0.entries = entries }
    }

    /// Replaces all entries.
    func set(_ entries: [DirectoryEntry]) { self.state.withLock { $0.entries = entries } }
    /// Fails from now on; `nil` ends that.
    func fail(_ reason: String?) { self.state.withLock { $0.failure = reason } }
    /// - Parameter count: how many searches are answered all the same.
    func hold(_ isHeld: Bool, behind count: Int = 0) {
        self.state.withLock { ($0.isHeld, $0.heldBehind) = (isHeld, count) }
    }
    var searches: [DirectorySearch] { self.state.withLock { $0.searches } }

    func search(_ search: DirectorySearch) async -> Lookup<[DirectoryEntry]> {
        let number = self.state.withLock { state in
            state.searches.append(search)
            return state.searches.count
        }
        while self.state.withLock({ $0.isHeld && number > $0.heldBehind }), !Task.isCancelled { await Task.yield() }
        if Task.isCancelled { return .unavailable("cancelled") }
        return self.state.withLock { state in
            if let failure = state.failure { return .unavailable(failure) }
            if case .or(let parts) = search.filter, parts.count > self.largestFilter {
                return .unavailable("the filter is too large")
            }
            let base = (search.base ?? self.base).lowercased()
            let found = state.entries.filter { entry in
                let name = entry.name.lowercased()
                let isInside = search.scope == .base ? name == base : name.hasSuffix(base)
                return isInside && self.matches(search.filter, entry, state.entries)
            }
            guard found.count <= search.limit else { return .unavailable("more than \(search.limit) entries") }
            return found.isEmpty ? .notFound : .found(found.map { self.ranged($0, search.attributes) })
        }
    }

    /// The entry with `member;range=0-9` in place of `member`, or with the range that is asked for.
    private func ranged(_ entry: DirectoryEntry, _ wanted: [String]) -> DirectoryEntry {
        let asked = wanted.first { $0.hasPrefix("member;range=") }
        let members = entry["member"]
        guard asked != nil || members.count > self.valuesAtOnce else { return entry }
        let first = asked.flatMap { Int($0.dropFirst("member;range=".count).prefix { $0 != "-" }) } ?? 0
        let values = members.dropFirst(first).prefix(self.valuesAtOnce)
        let last = values.endIndex == members.endIndex ? "*" : "\(values.endIndex - 1)"
        var attributes = entry.attributes
        attributes["member"] = nil
        attributes["member;range=\(first)-\(last)"] = Array(values)
        return DirectoryEntry(name: entry.name, attributes: attributes)
    }

    private func matches(_ filter: DirectoryFilter, _ entry: DirectoryEntry, _ all: [DirectoryEntry]) -> Bool {
        switch filter {
        case .equals(let attribute, let value): entry[attribute].contains { self.areEqual($0, value) }
        case .present(let attribute): !entry[attribute].isEmpty || attribute == "objectClass"
        case .begins(let attribute, let value): entry[attribute].contains { $0.hasPrefix(value) }
        case .matches(_, _, let group): self.knowsChainRule && self.isMember(entry.name, group, all, [])
        case .and(let filters): filters.allSatisfy { self.matches($0, entry, all) }
        case .or(let filters): filters.contains { self.matches($0, entry, all) }
        case .not(let filter): !self.matches(filter, entry, all)
        case .text(let text): entry["text"].contains(text)
        }
    }

    private func areEqual(_ left: String, _ right: String) -> Bool {
        let values = [left, right].map { value in
            self.ignoresDots ? value.lowercased().replacing(".", with: "") : value.lowercased()
        }
        return values[0] == values[1]
    }

    private func isMember(_ name: String, _ group: String, _ all: [DirectoryEntry], _ seen: Set<String>) -> Bool {
        guard !seen.contains(group), let entry = all.first(where: { $0.name == group }) else { return false }
        return entry["member"].contains { $0 == name || self.isMember(name, $0, all, seen.union([group])) }
    }
}

/// A plugin with everything around it.
struct Fixture {
    let directory: ScriptedDirectory
    let clock = ManualClock()
    let store: MemoryKeyValueStore
    let counters = Counters()
    let plugin: LDAPRecipients

    init(_ directory: ScriptedDirectory, _ configuration: String = "{}", store: MemoryKeyValueStore? = nil) throws {
        self.directory = directory
        self.store = store ?? MemoryKeyValueStore(clock: self.clock)
        let section = try ConfigurationSection.parse(configuration)
        self.plugin = try LDAPRecipients(
            configuration: section,
            services: PluginServices(
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                clock: self.clock,
                resolver: ScriptedResolver(),
                directory: directory,
                store: self.store,
                counters: self.counters,
                servedDomains: Set(["example.org", "example.net"].compactMap { Domain($0) })
            )
        )
        let problems = section.problems()
        guard problems.isEmpty else { throw ConfigurationMistakes(problems: problems) }
    }

    struct ConfigurationMistakes: Error { let problems: [ConfigurationProblem] }

    /// What the plugin says about an address, in short.
    func resolve(_ address: String) async throws -> String {
        guard let mailbox = Mailbox(address) else { return "no address" }
        return describe(try await self.plugin.resolve(mailbox, session()))
    }

    /// What the plugin says about a sender, in short.
    func policy(_ recipient: String, from sender: String, isTrusted: Bool = false) async throws -> String {
        guard let mailbox = Mailbox(recipient), let path = ReversePath(sender) else { return "no address" }
        let transaction = TransactionContext(
            envelope: Envelope(reversePath: path),
            queueIdentifier: "q1",
            facts: Facts()
        )
        let session = session(isRelayClient: isTrusted)
        switch try await self.plugin.recipient(EnvelopeRecipient(mailbox), transaction, session) {
        case .next: return "next"
        case .reject(let reply), .defer(let reply): return "\(reply)"
        case let outcome: return "\(outcome)"
        }
    }

    /// What the operator reads.
    func test(_ address: String, _ options: [String: String] = [:]) async throws -> String {
        let request = OperatorRequest(verb: "test", arguments: [address], options: options)
        return try await self.plugin.operate(request).lines.joined(separator: "\n")
    }
}

/// An entry below the base.
func entry(_ name: String, _ attributes: [String: [String]]) -> DirectoryEntry {
    DirectoryEntry(name: "\(name),dc=example,dc=org", attributes: attributes)
}
