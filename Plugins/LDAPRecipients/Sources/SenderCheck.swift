import MailHubPlugin

/// Whether a sender may send to a recipient that does not take mail from everybody.
struct SenderCheck: Sendable {
    enum Verdict: Hashable, Sendable {
        case permitted
        case refused(String)
        case unavailable(String)
    }
    let lookup: RecipientLookup

    /// - Parameters:
    ///   - sender: the sender's entry; `nil` where the directory has none.
    ///   - isTrusted: whether the client is one of the site's own.
    func verdict(
        on restrictions: DeliveryRestrictions,
        sender: String?,
        isTrusted: Bool,
        _ trace: LookupTrace? = nil
    ) async -> Verdict {
        if restrictions.requiresTrust, !isTrusted { return .refused("senders of this site only") }
        let isLimited = !restrictions.allowed.isEmpty || !restrictions.allowedGroups.isEmpty
        guard let sender else { return isLimited ? .refused("the sender is not listed") : .permitted }
        if Self.contains(restrictions.refused, sender) { return .refused("the sender is refused") }
        switch await self.isMember(sender, of: restrictions.refusedGroups, trace) {
        case .found: return .refused("a group of the sender is refused")
        case .unavailable(let why): return .unavailable(why)
        case .notFound: break
        }
        guard isLimited, !Self.contains(restrictions.allowed, sender) else { return .permitted }
        switch await self.isMember(sender, of: restrictions.allowedGroups, trace) {
        case .found: return .permitted
        case .notFound: return .refused("the sender is not listed")
        case .unavailable(let why): return .unavailable(why)
        }
    }

    private static func contains(_ names: [String], _ name: String) -> Bool {
        let wanted = name.lowercased()
        return names.contains { $0.lowercased() == wanted }
    }

    /// `found` where the entry is in one of the groups, nested groups counted.
    private func isMember(_ entry: String, of groups: [String], _ trace: LookupTrace?) async -> Lookup<Bool> {
        guard !groups.isEmpty else { return .notFound }
        switch self.lookup.schema.nesting {
        case .rule: return await self.isMemberByRule(entry, of: groups, trace)
        case .walk: return await self.isMemberByWalking(entry, of: groups, trace)
        }
    }

    private func isMemberByRule(_ entry: String, of groups: [String], _ trace: LookupTrace?) async -> Lookup<Bool> {
        let schema = self.lookup.schema
        let filters = groups.map {
            DirectoryFilter.matches(rule: DirectorySchema.chainRule, attribute: schema.memberOf, value: $0)
        }
        let search = DirectorySearch(base: entry, scope: .base, filter: .or(filters), attributes: ["1.1"], limit: 1)
        return switch await self.lookup.search(search, trace) {
        case .found: .found(true)
        case .notFound: .notFound
        case .unavailable(let why): .unavailable(why)
        }
    }

    /// From the entry upwards: its groups, their groups, and so on.
    private func isMemberByWalking(_ entry: String, of groups: [String], _ trace: LookupTrace?) async -> Lookup<Bool> {
        let schema = self.lookup.schema
        var seen: Set<String> = [entry.lowercased()]
        var level = [entry]
        for _ in 0..<self.lookup.rules.depth where !level.isEmpty {
            let filters = level.flatMap { name in schema.members.map { DirectoryFilter.equals($0, name) } }
            let search = DirectorySearch(filter: .or(filters), attributes: ["1.1"], limit: 500)
            switch await self.lookup.search(search, trace) {
            case .notFound: return .notFound
            case .unavailable(let why): return .unavailable(why)
            case .found(let entries):
                if entries.contains(where: { Self.contains(groups, $0.name) }) { return .found(true) }
                level = entries.map(\.name).filter { seen.insert($0.lowercased()).inserted }
            }
        }
        guard level.isEmpty else {
            return .unavailable("\(entry) is in groups that are nested deeper than \(self.lookup.rules.depth)")
        }
        return .notFound
    }
}
