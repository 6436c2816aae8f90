import FoundationEssentials
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
        var entries =
            configuration.values("recipients", expected: RecipientPattern.form) { RecipientPattern($0) }?
            .map { RecipientEntry(place: .recipient, pattern: $0, targets: []) } ?? []
        let aliases = configuration.section("aliases")
        if let aliases { entries += Self.entries(of: aliases) }
        let file = configuration.filePath("file")
        if let file { entries += Self.entries(ofFile: file, configuration) }

        let (table, problems) = RecipientTable.make(entries, postmaster: postmaster, rules: rules)
        self = table
        for problem in problems { Self.report(problem, configuration, aliases: aliases) }
    }

    private static func entries(of aliases: ConfigurationSection) -> [RecipientEntry] {
        aliases.keys.compactMap { key in
            let targets = aliases.values(key, expected: "a mail address") { Mailbox($0) }
            guard let pattern = RecipientPattern(key) else {
                aliases.report("\"\(key)\" is not an address", withKey: key, fix: "write \(RecipientPattern.form)")
                return nil
            }
            guard let targets, !targets.isEmpty else {
                if targets != nil { aliases.report("leads nowhere", at: key, fix: "name at least one address") }
                return nil
            }
            return RecipientEntry(place: .alias(key), pattern: pattern, targets: targets)
        }
    }

    private static func entries(ofFile path: String, _ configuration: ConfigurationSection) -> [RecipientEntry] {
        do {
            let (entries, problems) = RecipientFile.parse(try String(contentsOfFile: path, encoding: .utf8))
            for problem in problems { self.report(problem, configuration, aliases: nil) }
            return entries
        } catch {
            configuration.report(
                "cannot read \"\(path)\" as UTF-8 text",
                at: "file",
                fix: "name a file that the hub may read"
            )
            return []
        }
    }

    private static func report(
        _ problem: RecipientProblem,
        _ configuration: ConfigurationSection,
        aliases: ConfigurationSection?
    ) {
        switch problem.place {
        case .recipient: configuration.report(problem.message, at: "recipients", fix: problem.fix)
        case .alias(let key): aliases?.report(problem.message, at: key, fix: problem.fix)
        case .line(let number): configuration.report("line \(number): \(problem.message)", at: "file", fix: problem.fix)
        case .postmaster: configuration.report(problem.message, at: "postmaster", fix: problem.fix)
        }
    }
}
