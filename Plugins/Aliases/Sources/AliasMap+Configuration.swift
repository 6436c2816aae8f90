import MailHubPlugin

/// Reads the keys that the README lists; each problem is told with its place.
extension AliasMap {
    /// Makes the map of a configuration; what is wrong in it is told.
    init(reading configuration: ConfigurationSection) {
        var rules = Rules()
        rules.isCaseSensitive = configuration.boolean("caseSensitive", default: false)
        rules.separator = configuration.value("separator", expected: "one character") { $0.count == 1 ? $0.first : nil }
        rules.depth = configuration.integer("depth", in: 1...100, default: 10)
        rules.mostTargets = configuration.integer("mostTargets", in: 1...10_000, default: 1000)
        self.init(rules: rules)
        let list = AddressEntries(
            reading: configuration,
            key: "aliases",
            fileKey: "file",
            allowingDomainTargets: true
        )
        for entry in list.entries {
            if entry.targets.isEmpty {
                list.report("leads nowhere", at: entry.place, fix: "write a colon and at least one address behind it")
            } else if !self.add(entry) {
                let message = "there is another entry for \(entry.pattern)"
                list.report(message, at: entry.place, fix: "remove one of them")
            }
        }
        for entry in list.entries {
            do throws(AliasFault) {
                _ = try self.destination(of: Self.sample(of: entry.pattern))
            } catch {
                let (message, fix) = Self.explanation(of: error, for: entry.pattern)
                list.report(message, at: entry.place, fix: fix)
            }
        }
    }

    /// An address that meets the entry: for a domain, one that nobody has an entry for.
    private static func sample(of pattern: AddressPattern) throws(AliasFault) -> Mailbox {
        switch pattern {
        case .mailbox(let mailbox): return mailbox
        case .domain(let domain):
            guard let any = LocalPart(unquoted: " any ") else { throw .tooDeep(0) }
            return Mailbox(localPart: any, host: .domain(domain))
        }
    }

    private static func explanation(
        of fault: AliasFault,
        for pattern: AddressPattern
    ) -> (message: String, fix: String) {
        switch fault {
        case .leadsBack(let mailbox):
            let name = if case .domain = pattern, let domain = mailbox.domain { "@\(domain)" } else { "\(mailbox)" }
            return ("leads back to \(name)", "let one of the aliases lead to a mailbox")
        case .tooDeep(let depth):
            return ("leads through more than \(depth) aliases", "name the mailboxes themselves, or raise \"depth\"")
        case .tooMany(let most):
            return ("leads to more than \(most) addresses", "use a mailing list, or raise \"mostTargets\"")
        }
    }
}
