import FoundationEssentials

/// One entry of a list of addresses: an address, or all of a domain, and where its mail goes.
public struct AddressEntry: Hashable, Sendable {
    /// Where an entry was written.
    public enum Place: Hashable, Sendable {
        /// By its key, in the configuration.
        case key(String)
        /// By its line in the file, from 1.
        case line(Int)
    }
    /// Where it was written.
    public let place: Place
    /// Whom it is about.
    public let pattern: AddressPattern
    /// Where mail goes instead; empty where the entry names none.
    public let targets: [AddressPattern]

    /// Joins the parts.
    public init(place: Place, pattern: AddressPattern, targets: [AddressPattern]) {
        self.place = place
        self.pattern = pattern
        self.targets = targets
    }
}

/// Entries from an object of the configuration, `"info@example.org": ["ann@example.org"]`, and from a file with one entry a line.
///
/// What cannot be read is reported, and left out.
public struct AddressEntries {
    /// The entries, those of the configuration first.
    public private(set) var entries: [AddressEntry] = []
    private let section: ConfigurationSection
    private let inline: ConfigurationSection?
    private let fileKey: String

    /// Reads both.
    ///
    /// - Parameters:
    ///   - key: names the object, which may be absent.
    ///   - fileKey: names the file, which may be absent.
    ///   - allowingDomainTargets: whether mail may go to `@domain`, which keeps the local part.
    public init(
        reading section: ConfigurationSection,
        key: String,
        fileKey: String,
        allowingDomainTargets: Bool = false
    ) {
        self.section = section
        self.inline = section.section(key)
        self.fileKey = fileKey
        if let inline = self.inline { self.read(inline, allowingDomainTargets) }
        if let path = section.filePath(fileKey) { self.read(path, allowingDomainTargets) }
    }

    /// Reports what is wrong with an entry, at its place.
    public func report(_ message: String, at place: AddressEntry.Place, fix: String) {
        switch place {
        case .key(let key): self.inline?.report(message, at: key, fix: fix)
        case .line(let line): self.section.report("line \(line): \(message)", at: self.fileKey, fix: fix)
        }
    }

    private mutating func read(_ inline: ConfigurationSection, _ allowingDomainTargets: Bool) {
        let form = allowingDomainTargets ? AddressPattern.form : "a mail address"
        for key in inline.keys {
            let targets = inline.values(key, expected: form) {
                AddressPattern($0, allowingDomain: allowingDomainTargets)
            }
            guard let pattern = AddressPattern(key) else {
                inline.report("\"\(key)\" is not an address", withKey: key, fix: "write \(AddressPattern.form)")
                continue
            }
            guard let targets else { continue }
            if targets.isEmpty {
                inline.report("leads nowhere", at: key, fix: "name at least one address")
            } else {
                self.entries.append(AddressEntry(place: .key(key), pattern: pattern, targets: targets))
            }
        }
    }

    private mutating func read(_ path: String, _ allowingDomainTargets: Bool) {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            let fix = "name a file that the hub may read"
            return self.section.report("cannot read \"\(path)\" as UTF-8 text", at: self.fileKey, fix: fix)
        }
        let (entries, problems) = AddressFile.parse(text, allowingDomainTargets: allowingDomainTargets)
        self.entries += entries
        for problem in problems { self.report(problem.message, at: .line(problem.line), fix: problem.fix) }
    }
}
