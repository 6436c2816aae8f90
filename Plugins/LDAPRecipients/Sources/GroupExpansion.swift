import MailHubPlugin

/// The members of a group with those of the groups in it, within limits (RFC 5321 section 3.9.2).
struct GroupExpansion: Sendable {
    let lookup: RecipientLookup
    let trace: LookupTrace?
    /// How many entries are asked for at a time.
    private static let width = 16

    init(lookup: RecipientLookup, trace: LookupTrace?) {
        self.lookup = lookup
        self.trace = trace
    }

    /// Who is in a group.
    struct Members: Sendable {
        var mailboxes: [Mailbox] = []
        /// The places in `mailboxes` of those who have a route of their own, by route.
        var routed: [String: [Int]] = [:]
    }

    /// What was gathered.
    private struct Progress {
        var members = Members()
        /// Places in the members, by address.
        var places: [String: Int] = [:]
        /// Places of those whose route is known.
        var routed: Set<Int> = []
        /// Entries seen, by name in lower case: a group that contains itself is gone through once.
        var seen: Set<String> = []
        /// Entries to look at next.
        var next: [String] = []
        /// Addresses to look up next: those of this site, each once.
        var nextAddresses: [Mailbox] = []
        var seenAddresses: Set<String> = []
        var isDone: Bool { self.next.isEmpty && self.nextAddresses.isEmpty }

        mutating func add(_ mailbox: Mailbox, route: String? = nil) {
            let key = AddressKey.key(of: mailbox)
            let place = self.places[key] ?? self.members.mailboxes.count
            if place == self.members.mailboxes.count {
                self.members.mailboxes.append(mailbox)
                self.places[key] = place
            }
            // One who was named by an address before has a route all the same.
            if let route, self.routed.insert(place).inserted { self.members.routed[route, default: []].append(place) }
        }
    }

    /// All members; `notFound` where there are none with an address.
    func members(of group: DirectoryEntry) async -> Lookup<Members> {
        if self.lookup.schema.nesting == .rule {
            switch await self.membersByRule(group) {
            case .found(let members): return .found(members)
            case .unavailable(let why): return .unavailable(why)
            case .notFound: break  // a server that does not know the rule finds nothing: look for oneself
            }
        }
        return await self.membersByWalking(group)
    }

    private func membersByRule(_ group: DirectoryEntry) async -> Lookup<Members> {
        let schema = self.lookup.schema
        let limit = self.lookup.rules.members
        let isMember = DirectoryFilter.matches(
            rule: DirectorySchema.chainRule,
            attribute: schema.memberOf,
            value: group.name
        )
        let search = DirectorySearch(
            filter: .and([isMember, schema.mailEnabled]),
            attributes: schema.wanted,
            limit: limit * 2  // nested groups are among the answers
        )
        switch await self.lookup.search(search, self.trace) {
        case .notFound: return .notFound
        case .unavailable(let why): return .unavailable(why)
        case .found(let entries):
            var progress = Progress()
            for entry in entries where !schema.isGroup(entry) {
                if let why = self.add(entry, to: &progress) { return .unavailable(why) }
            }
            guard progress.members.mailboxes.count <= limit else { return .unavailable(self.tooMany(group)) }
            return progress.members.mailboxes.isEmpty ? .notFound : .found(progress.members)
        }
    }

    private func membersByWalking(_ group: DirectoryEntry) async -> Lookup<Members> {
        let limit = self.lookup.rules.members
        var progress = Progress()
        progress.seen.insert(group.name.lowercased())
        if let why = await self.open(group, &progress) { return .unavailable(why) }
        var depth = 1
        while !progress.isDone {
            guard progress.seen.count + progress.seenAddresses.count <= limit * 2 else {
                return .unavailable(self.tooMany(group))
            }
            if let why = await self.goOn(&progress) { return .unavailable(why) }
            guard progress.members.mailboxes.count <= limit else { return .unavailable(self.tooMany(group)) }
            depth += 1
            guard progress.isDone || depth <= self.lookup.rules.depth else {
                return .unavailable("groups in \(group.name) are nested deeper than \(self.lookup.rules.depth)")
            }
        }
        return progress.members.mailboxes.isEmpty ? .notFound : .found(progress.members)
    }

    /// Looks at the entries and addresses that were found last.
    ///
    /// - Returns: why that cannot be done; `nil` where it is done.
    private func goOn(_ progress: inout Progress) async -> String? {
        let (names, addresses) = (progress.next, progress.nextAddresses)
        (progress.next, progress.nextAddresses) = ([], [])
        var entries: [DirectoryEntry] = []
        switch await self.all(names, { await self.lookup.entry(named: $0, self.trace) }) {
        case .failure(let trouble): return trouble.reason
        case .success(let found):
            for (name, entry) in zip(names, found) {
                if let entry { entries.append(entry) } else { self.trace?.note("member \(name) does not exist") }
            }
        }
        switch await self.all(addresses, { await self.lookup.entries(at: $0, self.trace) }) {
        case .failure(let trouble): return trouble.reason
        case .success(let found):
            for (address, all) in zip(addresses, found) {
                if let all, all.count == 1, let entry = all.first {
                    if progress.seen.insert(entry.name.lowercased()).inserted { entries.append(entry) }
                } else {
                    // Nobody here can say more about it; a resolver behind, or the store, may.
                    if let all { self.trace?.note("member \(address) belongs to \(all.count) entries") }
                    progress.add(address)
                }
            }
        }
        for entry in entries {
            let why =
                if self.lookup.schema.isGroup(entry) { await self.open(entry, &progress) } else {
                    self.add(entry, to: &progress)
                }
            if let why { return why }
        }
        return nil
    }

    private func tooMany(_ group: DirectoryEntry) -> String {
        "the group \(group.name) has more than \(self.lookup.rules.members) members"
    }

    /// Notes the members of a group.
    ///
    /// - Returns: why that cannot be done; `nil` where it is done.
    private func open(_ group: DirectoryEntry, _ progress: inout Progress) async -> String? {
        let schema = self.lookup.schema
        for value in schema.memberAddresses.flatMap({ group[$0] }) {
            if let mailbox = Mailbox(value) {
                if self.lookup.isOurs(mailbox) {
                    // Somebody with a route, or a group: what holds for those given by name holds for it.
                    let isNew = progress.seenAddresses.insert(AddressKey.key(of: mailbox)).inserted
                    if isNew { progress.nextAddresses.append(mailbox) }
                } else {
                    progress.add(mailbox)
                }
            } else {
                self.trace?.note("member \(value) of \(group.name) is no address")
            }
        }
        for attribute in schema.members {
            let names: [String]
            switch await self.lookup.values(of: attribute, in: group, limit: self.lookup.rules.members * 2, self.trace)
            {
            case .found(let values): names = values
            case .notFound: continue
            case .unavailable(let why): return why
            }
            for name in names {
                if progress.seen.insert(name.lowercased()).inserted {
                    progress.next.append(name)
                } else {
                    self.trace?.note("member \(name) of \(group.name) was there already")
                }
            }
        }
        return nil
    }

    /// Notes a member that is no group.
    ///
    /// - Returns: why it cannot be said where its mail goes; `nil` where it is done, or the member gets no mail.
    private func add(_ entry: DirectoryEntry, to progress: inout Progress) -> String? {
        let schema = self.lookup.schema
        guard !schema.isDisabled(entry) || self.lookup.rules.acceptsDisabled else {
            self.trace?.note("member \(entry.name) is disabled")
            return nil
        }
        let forward = schema.forward.flatMap { entry[$0].first }.flatMap { Mailbox($0) }
        guard let mailbox = forward ?? schema.addresses(of: entry).first else {
            self.trace?.note("member \(entry.name) has no address")
            return nil
        }
        switch self.lookup.route(of: entry) {
        case .found(let route): progress.add(mailbox, route: route)
        case .notFound: progress.add(mailbox)
        case .unavailable(let why): return why
        }
        return nil
    }

    /// The directory could not answer.
    private struct Trouble: Error { let reason: String }

    /// What several keys lead to, some at a time, in the order of the keys; `nil` for those that lead nowhere.
    private func all<Key: Sendable, Value: Sendable>(
        _ keys: [Key],
        _ lookUp: @escaping @Sendable (Key) async -> Lookup<Value>
    ) async -> Result<[Value?], Trouble> {
        await withTaskGroup(of: (Int, Lookup<Value>).self) { group in
            var found = [Value?](repeating: nil, count: keys.count)
            var trouble: Trouble?
            var rest = keys.enumerated().makeIterator()
            func startNext() {
                guard trouble == nil, let (index, key) = rest.next() else { return }
                group.addTask { (index, await lookUp(key)) }
            }
            for _ in 0..<Self.width { startNext() }
            for await (index, answer) in group {
                switch answer {
                case .found(let value): found[index] = value
                case .notFound: break
                case .unavailable(let why): trouble = Trouble(reason: why)
                }
                startNext()
            }
            return trouble.map { .failure($0) } ?? .success(found)
        }
    }
}
