import MailHubPlugin
import Synchronization

/// Finds out about an address in the directory: no cache, no memory.
struct RecipientLookup: Sendable {
    /// What is found is told as.
    struct Rules: Hashable, Sendable {
        /// Whether mail for another address of an entry goes to its primary one.
        var rewritesAliases = true
        /// Whether disabled accounts are recipients.
        var acceptsDisabled = false
        /// Routes by the value of the host attribute; empty: the attribute says nothing.
        var routes: [String: String] = [:]
        /// Whether groups are expanded here, rather than by the mail store.
        var expandsGroups = true
        /// How deep groups may be nested.
        var depth = 10
        /// The most members of a group, nested ones counted.
        var members = 1000
    }
    let directory: any Directory
    let schema: DirectorySchema
    let rules: Rules
    let base: String?
    /// Aliases are rewritten to these domains only: a primary address elsewhere is not the hub's to send mail to.
    let domains: Set<Domain>
    let gathering = LookupGathering()

    /// What the directory says about an address; with a trace, in a search of its own.
    func recipient(at mailbox: Mailbox, _ trace: LookupTrace? = nil) async -> RecipientAnswer {
        switch await self.entries(at: mailbox, trace) {
        case .notFound: return .notFound("no entry has the address")
        case .unavailable(let why): return .unavailable(why)
        case .found(let entries):
            guard entries.count == 1, let entry = entries.first else {
                // Nobody can say whose mail it is; that is for the directory's administrator, and may be mended in time.
                let names = entries.map(\.name).joined(separator: " and ")
                return .unavailable("the address belongs to \(entries.count) entries: \(names)")
            }
            return await self.recipient(of: entry, trace)
        }
    }

    /// The entries that have an address: one, where the directory is in order.
    func entries(at mailbox: Mailbox, _ trace: LookupTrace?) async -> Lookup<[DirectoryEntry]> {
        if trace == nil, let key = self.schema.matchingKey(of: mailbox) {
            await self.gathering.entries(for: key) { await self.entries(for: $0) }
        } else {
            await self.search(self.search(for: [self.schema.filter(for: mailbox)]), trace)
        }
    }

    /// Whether a mailbox is in one of the domains whose recipients are in the directory.
    func isOurs(_ mailbox: Mailbox) -> Bool { mailbox.domain.map(self.domains.contains) ?? false }

    /// The search for addresses.
    private func search(for filters: [DirectoryFilter]) -> DirectorySearch {
        DirectorySearch(
            base: self.base,
            filter: filters.count == 1 ? filters[0] : .or(filters),
            attributes: self.schema.wanted,
            limit: 10 * filters.count
        )
    }

    /// The entries of several addresses, had with one search; `nil` where it cannot be said whose they are.
    private func entries(for keys: [String]) async -> LookupGathering.Found? {
        switch await self.search(self.search(for: keys.map { self.schema.filter(matching: $0) }), nil) {
        case .notFound: return .found([:])
        case .unavailable(let why): return keys.count == 1 ? .unavailable(why) : nil
        case .found(let entries):
            if keys.count == 1 { return .found([keys[0]: entries]) }
            var found: [String: [DirectoryEntry]] = [:]
            for entry in entries {
                let own = self.schema.matchingKeys(of: entry).intersection(keys)
                // The server has another idea of what is equal: then it is asked about each.
                guard !own.isEmpty else { return nil }
                for key in own { found[key, default: []].append(entry) }
            }
            return .found(found)
        }
    }

    /// What an entry says about its addresses.
    func recipient(of entry: DirectoryEntry, _ trace: LookupTrace? = nil) async -> RecipientAnswer {
        trace?.note(entry)
        if self.schema.isDisabled(entry), !self.rules.acceptsDisabled {
            return .notFound("the account \(entry.name) is disabled")
        }
        var recipient = DirectoryRecipient(entry: entry.name)
        if let attribute = self.schema.forward, let value = entry[attribute].first {
            guard let mailbox = Mailbox(value) else {
                return .unavailable("\(attribute) of \(entry.name) is no address: \(value)")
            }
            recipient.forward = mailbox
        }
        switch self.route(of: entry) {
        case .found(let route): recipient.route = route
        case .notFound: break
        case .unavailable(let why): return .unavailable(why)
        }
        if let size = self.schema.sizeLimit.flatMap({ entry[$0].first }).flatMap({ Int($0) }), size > 0 {
            let (octets, overflow) = size.multipliedReportingOverflow(by: self.schema.sizeUnit)
            recipient.sizeLimit = overflow ? nil : octets
        }
        recipient.restrictions = self.restrictions(of: entry)
        let isGroup = self.schema.isGroup(entry) && recipient.forward == nil
        if isGroup, self.rules.expandsGroups {
            // A task of its own: it goes on when the client has gone or the plugin's time is over, so that a group whose reading takes
            // long is there at the next attempt. The directory's limits end it.
            let group = recipient
            return await Task { await self.expand(entry, group, trace) }.value
        }
        if self.rules.rewritesAliases, let primary = self.schema.addresses(of: entry).first,
            self.isOurs(primary)
        {
            recipient.primary = primary
        }
        return .found(recipient)
    }

    /// The route to the host that has the entry's mailbox; `notFound` where it says nothing about that.
    func route(of entry: DirectoryEntry) -> Lookup<String> {
        guard let attribute = self.schema.host, let value = entry[attribute].first, !self.rules.routes.isEmpty else {
            return .notFound
        }
        guard let route = self.rules.routes[value.lowercased()] else {
            return .unavailable("\"hosts\" has no route for \(attribute) \(value) of \(entry.name)")
        }
        return .found(route)
    }

    private func restrictions(of entry: DirectoryEntry) -> DeliveryRestrictions? {
        func names(_ attribute: String?) -> [String] { attribute.map { entry[$0] } ?? [] }
        var restrictions = DeliveryRestrictions()
        restrictions.requiresTrust = names(self.schema.requiresTrust).contains { $0.uppercased() == "TRUE" }
        restrictions.allowed = names(self.schema.allowedSenders)
        restrictions.allowedGroups = names(self.schema.allowedGroups)
        restrictions.refused = names(self.schema.refusedSenders)
        restrictions.refusedGroups = names(self.schema.refusedGroups)
        return restrictions.isEmpty ? nil : restrictions
    }

    private func expand(
        _ entry: DirectoryEntry,
        _ given: DirectoryRecipient,
        _ trace: LookupTrace?
    ) async -> RecipientAnswer {
        var recipient = given
        switch await GroupExpansion(lookup: self, trace: trace).members(of: entry) {
        case .unavailable(let why): return .unavailable(why)
        case .notFound: return .notFound("the group \(entry.name) has no member with an address")
        case .found(let members):
            recipient.members = CompactMailboxes(members.mailboxes)
            if !members.routed.isEmpty { recipient.routedMembers = members.routed }
        }
        for value in self.schema.owners.flatMap({ entry[$0] }) where recipient.owner == nil {
            switch await self.owner(value, trace) {
            case .found(let owner): recipient.owner = owner
            case .notFound: trace?.note("owner \(value) has no address")
            case .unavailable(let why): return .unavailable(why)
            }
        }
        return .found(recipient)
    }

    /// An owner is an entry, or simply an address.
    private func owner(_ value: String, _ trace: LookupTrace?) async -> Lookup<Mailbox> {
        if let mailbox = Mailbox(value) { return .found(mailbox) }
        return switch await self.entry(named: value, trace) {
        case .found(let entry): self.schema.addresses(of: entry).first.map { .found($0) } ?? .notFound
        case .notFound: .notFound
        case .unavailable(let why): .unavailable(why)
        }
    }

    /// The entry with a distinguished name.
    func entry(named name: String, _ trace: LookupTrace?) async -> Lookup<DirectoryEntry> {
        let search = DirectorySearch(
            base: name,
            scope: .base,
            filter: .present("objectClass"),
            attributes: self.schema.wanted,
            limit: 1
        )
        return switch await self.search(search, trace) {
        case .found(let entries): entries.first.map { .found($0) } ?? .notFound
        case .notFound: .notFound
        case .unavailable(let why): .unavailable(why)
        }
    }

    func search(_ search: DirectorySearch, _ trace: LookupTrace?) async -> Lookup<[DirectoryEntry]> {
        let answer = await self.directory.search(search)
        trace?.note(search, self.directory, answer)
        return answer
    }
}

/// What was asked on the way to an answer, for the operator.
final class LookupTrace: Sendable {
    private struct State {
        var lines: [String] = []
        var entry: DirectoryEntry?
    }
    private static let mostLines = 60
    private let state = Mutex(State())

    func note(_ line: String) {
        self.state.withLock { state in
            if state.lines.count < Self.mostLines { state.lines.append(line) }
        }
    }

    /// Notes the entry that the address belongs to: the first one.
    func note(_ entry: DirectoryEntry) {
        self.state.withLock { state in
            if state.entry == nil { state.entry = entry }
        }
    }

    func note(_ search: DirectorySearch, _ directory: any Directory, _ answer: Lookup<[DirectoryEntry]>) {
        let outcome =
            switch answer {
            case .found(let entries): entries.count == 1 ? "1 entry" : "\(entries.count) entries"
            case .notFound: "nothing"
            case .unavailable(let why): "unavailable: \(why)"
            }
        let server = directory.lastServer ?? "no server yet"
        let base = search.base ?? directory.base
        self.note(
            "search at \(server), base \"\(base)\" (\(search.scope.rawValue)), filter \(search.filter): \(outcome)"
        )
    }

    var lines: [String] { self.state.withLock { $0.lines } }
    var entry: DirectoryEntry? { self.state.withLock { $0.entry } }
}
