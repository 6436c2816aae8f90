import MailHubPlugin

/// Who exists in the domains that it answers for, and where mail for them goes; made once, then only read.
struct RecipientTable: Sendable {
    /// How addresses are compared and taken apart.
    struct Rules: Sendable {
        /// Whether `Ann@` and `ann@` are two mailboxes.
        var isCaseSensitive = false
        /// What separates a mailbox from a detail, as in `ann+news@`; `nil` where there is no such thing.
        var separator: Character?
        /// The domains to answer for; `nil` for those that have entries.
        var domains: Set<Domain>?
    }

    /// What is known about a mailbox.
    enum Answer: Hashable, Sendable {
        /// The domain is not ours.
        case otherDomain
        /// It exists; mail goes to it.
        case mailbox
        /// It exists; mail goes to these instead.
        case alias([Mailbox])
        /// It does not exist.
        case unknown
    }

    /// An address, spelled so that equal ones are equal.
    struct Key: Hashable, Sendable {
        let localPart: String
        let domain: Domain
    }

    /// The domains that it answers for.
    let domains: Set<Domain>
    private let rules: Rules
    private let mailboxes: [Key: [Mailbox]]
    private let catchAlls: [Domain: [Mailbox]]
    private let postmaster: [Mailbox]?

    /// - Parameters:
    ///   - mailboxes: for each its final targets; none for a mailbox that is delivered to.
    ///   - catchAlls: likewise for all of a domain.
    ///   - postmaster: where mail for `postmaster` and `abuse` goes, for domains that have no entry for them.
    init(
        domains: Set<Domain>,
        rules: Rules,
        mailboxes: [Key: [Mailbox]],
        catchAlls: [Domain: [Mailbox]],
        postmaster: [Mailbox]?
    ) {
        self.domains = domains
        self.rules = rules
        self.mailboxes = mailboxes
        self.catchAlls = catchAlls
        self.postmaster = postmaster
    }

    /// Looks a mailbox up: itself, without its detail, as postmaster, then the catch-all of its domain.
    ///
    /// - Parameter served: the domains of the hub. Mail for `postmaster` elsewhere is mail for this host, and answered too
    ///   (RFC 5321 section 4.5.1).
    func answer(for mailbox: Mailbox, served: Set<Domain>) -> Answer {
        guard let domain = mailbox.domain else { return .otherDomain }
        guard self.domains.contains(domain) else {
            guard !served.contains(domain), self.isPostmaster(mailbox) else { return .otherDomain }
            return self.postmaster.map(Self.answer) ?? .unknown
        }
        for key in self.rules.keys(for: mailbox.localPart, in: domain) {
            if let targets = self.mailboxes[key] { return Self.answer(targets) }
        }
        if let postmaster = self.postmaster, self.isPostmaster(mailbox) || self.isAbuse(mailbox) {
            return Self.answer(postmaster)
        }
        return self.catchAlls[domain].map(Self.answer) ?? .unknown
    }

    private func isPostmaster(_ mailbox: Mailbox) -> Bool { mailbox.localPart.value.lowercased() == "postmaster" }

    /// RFC 2142 section 2.
    private func isAbuse(_ mailbox: Mailbox) -> Bool { mailbox.localPart.value.lowercased() == "abuse" }

    private static func answer(_ targets: [Mailbox]) -> Answer { targets.isEmpty ? .mailbox : .alias(targets) }
}

extension RecipientTable.Rules {
    /// The spellings under which a local part may be listed: as it is, and without its detail.
    func keys(for localPart: LocalPart, in domain: Domain) -> [RecipientTable.Key] {
        let name = self.isCaseSensitive ? localPart.value : localPart.value.lowercased()
        var keys = [RecipientTable.Key(localPart: name, domain: domain)]
        if let separator = self.separator, let end = name.firstIndex(of: separator), end > name.startIndex {
            keys.append(RecipientTable.Key(localPart: String(name[..<end]), domain: domain))
        }
        return keys
    }
}
