import MailHubPlugin

/// Reads the keys that the README lists; each problem is told with its place.
extension RecipientTable {
    /// Makes the table of a configuration; what is wrong in it is told, and left out.
    init(reading configuration: ConfigurationSection) {
        var rules = Rules()
        rules.isCaseSensitive = configuration.boolean("caseSensitive", default: false)
        rules.separator = configuration.value("separator", expected: "one character") { $0.count == 1 ? $0.first : nil }
        rules.domains = configuration.values("domains", expected: "a domain name") { Domain($0) }.map { Set($0) }
        let postmaster = configuration.mailbox("postmaster")
        let listed = configuration.values("recipients", expected: AddressPattern.form) { AddressPattern($0) } ?? []
        let more = AddressEntries(reading: configuration, key: "aliases", fileKey: "file")
        let entries =
            listed.map { RecipientEntry(place: .recipient, pattern: $0, targets: []) }
            + more.entries.map { entry in
                RecipientEntry(
                    place: .entry(entry.place),
                    pattern: entry.pattern,
                    targets: entry.targets.compactMap(\.mailbox)
                )
            }

        let (table, problems) = RecipientTable.make(entries, postmaster: postmaster, rules: rules)
        self = table
        for problem in problems {
            switch problem.place {
            case .recipient: configuration.report(problem.message, at: "recipients", fix: problem.fix)
            case .entry(let place): more.report(problem.message, at: place, fix: problem.fix)
            case .postmaster: configuration.report(problem.message, at: "postmaster", fix: problem.fix)
            }
        }
    }
}
