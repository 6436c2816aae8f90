import MailHubPlugin

/// Makes a table from entries, and finds what is wrong with them before any mail comes.
extension RecipientTable {
    /// Aliases may lead to aliases, so many times.
    static let mostSteps = 10
    /// The most addresses that one alias leads to.
    static let mostTargets = 1000

    /// Makes a table; what is wrong is told, and left out of it.
    static func make(
        _ entries: [RecipientEntry],
        postmaster: Mailbox?,
        rules: Rules
    ) -> (table: RecipientTable, problems: [RecipientProblem]) {
        var resolver = AliasResolver(entries, postmaster: postmaster, rules: rules)
        var mailboxes: [Key: [Mailbox]] = [:]
        var catchAlls: [Domain: [Mailbox]] = [:]
        for entry in entries {
            let targets = resolver.finalTargets(of: entry)
            switch entry.pattern {
            case .mailbox(let mailbox):
                guard let domain = mailbox.domain, let key = rules.keys(for: mailbox.localPart, in: domain).first else {
                    continue
                }
                mailboxes[key] = targets
            case .domain(let domain):
                catchAlls[domain] = targets
            }
        }
        let postmasterTargets = postmaster.map {
            resolver.finalTargets(of: $0, place: .postmaster)
        }
        let table = RecipientTable(
            domains: resolver.domains,
            rules: rules,
            mailboxes: mailboxes,
            catchAlls: catchAlls,
            postmaster: postmasterTargets
        )
        return (table, resolver.problems)
    }
}

/// Follows aliases to the mailboxes behind them.
private struct AliasResolver {
    let domains: Set<Domain>
    private(set) var problems: [RecipientProblem] = []
    private let postmaster: Mailbox?
    private let rules: RecipientTable.Rules
    private var entries: [AddressPattern: RecipientEntry] = [:]

    init(_ entries: [RecipientEntry], postmaster: Mailbox?, rules: RecipientTable.Rules) {
        self.postmaster = postmaster
        self.rules = rules
        self.domains = rules.domains ?? Set(entries.compactMap(\.pattern.domain))
        for entry in entries {
            if let domain = entry.pattern.domain, !self.domains.contains(domain) {
                self.tell(
                    entry.place,
                    "\(entry.pattern) is outside \"domains\"",
                    fix: "add \"\(domain)\" to \"domains\""
                )
            }
            if self.entries.updateValue(entry, forKey: self.canonical(entry.pattern)) != nil {
                self.tell(entry.place, "there is another entry for \(entry.pattern)", fix: "remove one of them")
            }
        }
    }

    /// Where mail for an entry ends up; empty for a mailbox that is delivered to.
    mutating func finalTargets(of entry: RecipientEntry) -> [Mailbox] {
        guard !entry.targets.isEmpty else { return [] }
        var way = Way(place: entry.place)
        way.enter(self.canonical(entry.pattern))
        for target in entry.targets { self.follow(target, on: &way) }
        return way.targets
    }

    /// Where mail for an address ends up.
    mutating func finalTargets(of mailbox: Mailbox, place: RecipientProblem.Place) -> [Mailbox] {
        var way = Way(place: place)
        self.follow(mailbox, on: &way)
        return way.targets
    }

    /// The aliases between an entry and the mailboxes behind it.
    private struct Way {
        let place: RecipientProblem.Place
        var path: [AddressPattern] = []
        /// Aliases that were followed: meeting one again adds nothing.
        var seen: Set<AddressPattern> = []
        var targets: [Mailbox] = []

        init(place: RecipientProblem.Place) { self.place = place }

        mutating func enter(_ alias: AddressPattern) {
            self.path.append(alias)
            self.seen.insert(alias)
        }

        mutating func add(_ mailbox: Mailbox) {
            if !self.targets.contains(mailbox) { self.targets.append(mailbox) }
        }
    }

    private mutating func follow(_ target: Mailbox, on way: inout Way) {
        guard way.targets.count < RecipientTable.mostTargets else {
            return self.tell(
                way.place,
                "leads to more than \(RecipientTable.mostTargets) addresses",
                fix: "use a mailing list"
            )
        }
        guard let domain = target.domain, self.domains.contains(domain) else {
            return way.add(target)  // somebody else's
        }
        guard let entry = self.entry(for: target, in: domain) else {
            return self.tell(way.place, "leads to \(target), which does not exist", fix: "add \(target) as a recipient")
        }
        let pattern = self.canonical(entry.pattern)
        // An alias that names itself keeps a copy in its own mailbox.
        if entry.targets.isEmpty || way.path.last == pattern { return way.add(target) }
        if way.path.contains(pattern) {
            return self.tell(way.place, "leads back to \(target)", fix: "let one of the aliases lead to a mailbox")
        }
        guard !way.seen.contains(pattern) else { return }
        guard way.path.count < RecipientTable.mostSteps else {
            return self.tell(
                way.place,
                "leads through more than \(RecipientTable.mostSteps) aliases",
                fix: "name the mailboxes themselves"
            )
        }
        way.enter(pattern)
        for next in entry.targets { self.follow(next, on: &way) }
        way.path.removeLast()
    }

    /// The entry that mail for an address would meet.
    private func entry(for mailbox: Mailbox, in domain: Domain) -> RecipientEntry? {
        for key in self.rules.keys(for: mailbox.localPart, in: domain) {
            guard let localPart = LocalPart(unquoted: key.localPart) else { continue }
            let pattern = AddressPattern.mailbox(Mailbox(localPart: localPart, host: .domain(domain)))
            if let entry = self.entries[pattern] { return entry }
        }
        if mailbox.localPart.value.lowercased() == "postmaster", let postmaster = self.postmaster {
            return RecipientEntry(place: .postmaster, pattern: .mailbox(mailbox), targets: [postmaster])
        }
        return self.entries[.domain(domain)]
    }

    private func canonical(_ pattern: AddressPattern) -> AddressPattern {
        guard case .mailbox(let mailbox) = pattern, let domain = mailbox.domain,
            let key = self.rules.keys(for: mailbox.localPart, in: domain).first,
            let localPart = LocalPart(unquoted: key.localPart)
        else { return pattern }
        return .mailbox(Mailbox(localPart: localPart, host: .domain(domain)))
    }

    private mutating func tell(_ place: RecipientProblem.Place, _ message: String, fix: String) {
        let problem = RecipientProblem(place: place, message: message, fix: fix)
        if !self.problems.contains(problem) { self.problems.append(problem) }
    }
}
