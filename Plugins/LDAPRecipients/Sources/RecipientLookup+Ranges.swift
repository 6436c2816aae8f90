import MailHubPlugin

extension RecipientLookup {
    /// All values of an attribute, also where the server gives so many in ranges only, as Active Directory does beyond 1,500
    /// ([MS-ADTS] section 3.1.1.3.1.3.3).
    ///
    /// - Parameter limit: beyond it the rest is left away: there are too many anyway.
    func values(
        of attribute: String,
        in entry: DirectoryEntry,
        limit: Int,
        _ trace: LookupTrace?
    ) async -> Lookup<[String]> {
        var values = entry[attribute]
        var range = ValueRange(of: attribute, in: entry)
        while let current = range {
            guard current.first == values.count else {
                return .unavailable(
                    "\(entry.name) has values \(current.first) and following of \(attribute) out of turn"
                )
            }
            values += current.values
            guard !current.isLast, values.count <= limit else { break }
            let search = DirectorySearch(
                base: entry.name,
                scope: .base,
                filter: .present("objectClass"),
                attributes: ["\(attribute);range=\(values.count)-*"],
                limit: 1
            )
            switch await self.search(search, trace) {
            case .unavailable(let why): return .unavailable(why)
            case .notFound: return .unavailable("\(entry.name) is gone")
            case .found(let entries):
                range = entries.first.flatMap { ValueRange(of: attribute, in: $0) }
                guard let next = range, !next.values.isEmpty else {
                    return .unavailable("\(entry.name) has no values of \(attribute) from \(values.count) on")
                }
            }
        }
        return .found(values)
    }
}

/// Some of an attribute's values: `member;range=0-1499`.
private struct ValueRange {
    /// The place of the first value.
    let first: Int
    /// Whether no more follow.
    let isLast: Bool
    let values: [String]

    /// The range that an entry has of an attribute; `nil` where it has none.
    init?(of attribute: String, in entry: DirectoryEntry) {
        let prefix = "\(attribute.lowercased());range="
        guard let (name, values) = entry.attributes.first(where: { $0.key.hasPrefix(prefix) }) else { return nil }
        let ends = name.dropFirst(prefix.count).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Int(ends[0]) else { return nil }
        self.first = first
        self.isLast = ends[1] == "*"
        self.values = values
    }
}
