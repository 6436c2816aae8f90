import MailHubPlugin

/// Why an alias cannot be followed to its end.
enum AliasFault: Error, Hashable {
    case leadsBack(to: Mailbox)
    case tooDeep(Int)
    case tooMany(Int)
}

/// Aliases of addresses and of whole domains, and how they are followed; made once, then only read.
struct AliasMap: Sendable {
    /// How addresses are compared, and how far aliases may lead.
    struct Rules: Sendable {
        /// Whether `Ann@` and `ann@` are two addresses.
        var isCaseSensitive = false
        /// What separates an address from a detail, as in `info+news@`; `nil` where there is no such thing.
        var separator: Character?
        /// Aliases that may follow each other.
        var depth = 10
        /// Addresses that one alias may lead to.
        var mostTargets = 1000
    }

    /// Where mail for an alias goes.
    struct Destination: Hashable, Sendable {
        var targets: [Mailbox] = []
        /// Who gets reports about a list (RFC 5321 section 3.9.2); `nil` for an alias, whose sender gets them.
        var owner: Mailbox?
    }

    private let rules: Rules
    private var mailboxes: [Mailbox: [AddressPattern]] = [:]
    private var domains: [Domain: [AddressPattern]] = [:]

    init(rules: Rules) { self.rules = rules }

    /// Adds an entry; says whether there was none yet for its address.
    mutating func add(_ entry: AddressEntry) -> Bool {
        switch entry.pattern {
        case .mailbox(let mailbox): self.mailboxes.updateValue(entry.targets, forKey: self.canonical(mailbox)) == nil
        case .domain(let domain): self.domains.updateValue(entry.targets, forKey: domain) == nil
        }
    }

    /// Where mail for an address goes; `nil` where the address is no alias.
    func destination(of mailbox: Mailbox) throws(AliasFault) -> Destination? {
        guard self.targets(of: mailbox) != nil else { return nil }
        var way = Way()
        try self.follow(mailbox, on: &way)
        return way.destination
    }

    /// What was followed so far.
    private struct Way {
        var path: [Mailbox] = []
        /// Met before: going there again would add nothing.
        var seen: Set<Mailbox> = []
        var added: Set<Mailbox> = []
        var destination = Destination()
    }

    private func follow(_ mailbox: Mailbox, on way: inout Way) throws(AliasFault) {
        let key = self.canonical(mailbox)
        // An alias that names itself keeps a copy in the mailbox of that name.
        guard let targets = self.targets(of: mailbox), way.path.last != key else {
            if way.added.insert(key).inserted { way.destination.targets.append(mailbox) }
            guard way.destination.targets.count <= self.rules.mostTargets else {
                throw .tooMany(self.rules.mostTargets)
            }
            return
        }
        guard !way.path.contains(key) else { throw .leadsBack(to: mailbox) }
        guard way.seen.insert(key).inserted else { return }
        guard way.path.count < self.rules.depth else { throw .tooDeep(self.rules.depth) }
        if way.destination.owner == nil { way.destination.owner = self.owner(of: mailbox) }
        way.path.append(key)
        for target in targets {
            switch target {
            case .mailbox(let next): try self.follow(next, on: &way)
            case .domain(let domain):
                try self.follow(Mailbox(localPart: mailbox.localPart, host: .domain(domain)), on: &way)
            }
        }
        way.path.removeLast()
    }

    /// The entry for an address: its own, that without its detail, or that of its domain.
    private func targets(of mailbox: Mailbox) -> [AddressPattern]? {
        if let own = self.mailboxes[self.canonical(mailbox)] { return own }
        if let separator = self.rules.separator, let end = mailbox.localPart.value.firstIndex(of: separator),
            let name = LocalPart(unquoted: mailbox.localPart.value[..<end]),
            let own = self.mailboxes[self.canonical(Mailbox(localPart: name, host: mailbox.host))]
        {
            return own
        }
        return mailbox.domain.flatMap { self.domains[$0] }
    }

    /// `owner-list@example.org` is who looks after `list@example.org`, where there is such an alias.
    private func owner(of list: Mailbox) -> Mailbox? {
        guard self.mailboxes[self.canonical(list)] != nil,
            let name = LocalPart(unquoted: "owner-" + list.localPart.value)
        else { return nil }
        let owner = Mailbox(localPart: name, host: list.host)
        return self.mailboxes[self.canonical(owner)] == nil ? nil : owner
    }

    private func canonical(_ mailbox: Mailbox) -> Mailbox { self.rules.isCaseSensitive ? mailbox : mailbox.caseFolded }
}
