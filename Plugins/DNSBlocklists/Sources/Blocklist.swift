import MailHubPlugin

/// One list, or a part of it: a zone, the codes that count, and their weight (RFC 5782 section 2).
struct Blocklist: Sendable {
    /// What is looked up in a zone.
    enum Subject: String, CaseIterable, Hashable, Sendable {
        /// The client's address (RFC 5782 sections 2.1 and 2.4).
        case client
        /// The domain of the reverse-path (RFC 5782 section 3).
        case senderDomain
    }

    /// Which addresses a zone lists.
    enum Family: String, CaseIterable, Hashable, Sendable {
        case ipv4
        case ipv6
    }

    let zone: Domain
    let subject: Subject
    let families: Set<Family>
    /// The codes that count; empty for all.
    let codes: [CodeRange]
    /// What a listing adds; negative for a list of good hosts.
    let weight: Int
    /// What is added while the list cannot be asked.
    let weightUnavailable: Int

    /// Reads one element of `"lists"`.
    init?(reading section: ConfigurationSection) {
        let zone = section.domain("zone")
        if !section.has("zone") { section.report("missing", at: "zone", fix: "add the list's domain") }
        self.subject = section.enumeration("of", default: .client)
        let families = section.values("families", expected: "\"ipv4\" or \"ipv6\"") { Family(rawValue: $0) }
        self.families = Set(families ?? Family.allCases)
        let form = "a code or a range such as \"127.0.0.2\", \"127.0.0.2-127.0.0.11\", \"127.0.1.0/24\""
        self.codes = section.values("codes", expected: form) { CodeRange($0) } ?? []
        self.weight = section.integer("weight", in: -1000...1000, default: 1)
        self.weightUnavailable = section.integer("weightUnavailable", in: -1000...1000, default: 0)
        if self.weight == 0 { section.report("a weight of 0 changes nothing", at: "weight", fix: "leave the list out") }
        guard let zone else { return nil }
        self.zone = zone
        if zone.canonical.utf8.count > 180 {
            section.report("no IPv6 address fits in front of it", at: "zone", fix: "write the list's domain")
        }
    }

    /// What an answer of the zone means.
    func meaning(of answer: Lookup<[IPAddress]>) -> Meaning {
        switch answer {
        case .notFound: return .notListed
        case .unavailable(let reason): return .unavailable(reason)
        case .found(let addresses):
            // Some lists say "you ask too much" or "ask another way" so; an address outside 127.0.0.0/8 is none of a list
            // (RFC 5782 section 2.3), but of somebody who answers for all names.
            if let strange = addresses.first(where: { !CodeRange.all.contains($0) || CodeRange.errors.contains($0) }) {
                return .unavailable("answered \(strange)")
            }
            let counted =
                self.codes.isEmpty ? addresses : addresses.filter { code in self.codes.contains { $0.contains(code) } }
            return counted.isEmpty ? .notListed : .listed(counted)
        }
    }

    /// What an answer means.
    enum Meaning: Hashable, Sendable {
        /// By these codes.
        case listed([IPAddress])
        case notListed
        /// The list could not say.
        case unavailable(String)
    }
}

/// Codes from one to another, both included.
struct CodeRange: Hashable, Sendable {
    private let first: UInt32
    private let last: UInt32

    /// All that a list may answer (RFC 5782 section 2.3).
    ///
    /// 127.0.0.1 is none: many resolvers answer so for what they block.
    static let all = CodeRange(first: 0x7F00_0002, last: 0x7FFF_FFFF)
    /// By convention, errors of the client's: not a public resolver, too many queries.
    static let errors = CodeRange(first: 0x7FFF_FF00, last: 0x7FFF_FFFF)

    private init(first: UInt32, last: UInt32) {
        self.first = first
        self.last = last
    }

    /// Parses a code, two with a hyphen, or CIDR notation; all must be in 127.0.0.0/8.
    init?(_ text: String) {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { IPNetwork($0) }
        guard ends.count <= 2, let from = ends.first, let from, case .ipv4(let first) = from.base else { return nil }
        self.first = first
        if ends.count == 2 {
            guard let to = ends[1], case .ipv4(let last) = to.base, to.prefixLength == 32, from.prefixLength == 32
            else {
                return nil
            }
            self.last = last
        } else {
            self.last = first | UInt32(truncatingIfNeeded: (UInt64(1) << (32 - from.prefixLength)) - 1)
        }
        guard self.first <= self.last, self.first >> 24 == 127, self.last >> 24 == 127 else { return nil }
    }

    func contains(_ address: IPAddress) -> Bool {
        if case .ipv4(let code) = address { self.first <= code && code <= self.last } else { false }
    }
}
