import MailHubPlugin

/// Client network, sender and recipient: what a retry has in common with the attempt before it (RFC 6647 section 2.3).
struct Triplet: Hashable, Sendable {
    let network: IPNetwork
    let sender: String
    let recipient: String

    init(network: IPNetwork, sender: ReversePath, recipient: Mailbox) {
        self.network = network
        self.sender = sender.mailbox.map(Self.steadyForm) ?? "<>"
        self.recipient = Self.spelled(recipient.caseFolded)
    }

    /// A sender without what changes from one attempt to the next (RFC 6647 section 4.2).
    ///
    /// Mailing lists write a number or the recipient into the sender's local part, and some hosts sign it
    /// (`prvs=0123456789=ann`): a `+` with what follows is dropped, each run of digits becomes a `#`.
    static func steadyForm(of sender: Mailbox) -> String {
        var name = sender.localPart.value.lowercased()
        if name.hasPrefix("prvs="), let end = name.dropFirst(5).firstIndex(of: "=") {
            name = String(name[name.index(after: end)...])
        }
        if let plus = name.firstIndex(of: "+"), plus > name.startIndex { name = String(name[..<plus]) }
        var steady = ""
        for character in name {
            guard character.isASCII, character.isNumber else {
                steady.append(character)
                continue
            }
            if steady.last != "#" { steady.append("#") }
        }
        guard let localPart = LocalPart(unquoted: steady) else { return self.spelled(sender.caseFolded) }
        return self.spelled(Mailbox(localPart: localPart, host: sender.host))
    }

    private static func spelled(_ mailbox: Mailbox) -> String {
        "\(mailbox.localPart)@\(mailbox.domain?.canonical ?? mailbox.host.description)"
    }
}

/// The names of entries in the store.
enum GreylistKey {
    static let triplets = "triplet "
    static let networks = "network "
    static let passes = "pass "

    /// Local parts with spaces are quoted, so two triplets never have the same key.
    static func triplet(_ triplet: Triplet) -> String {
        "\(self.triplets)\(triplet.network) \(triplet.sender) \(triplet.recipient)"
    }

    static func network(_ network: IPNetwork) -> String { "\(self.networks)\(network)" }
    static func pass(_ domain: Domain) -> String { "\(self.passes)\(domain.canonical)" }
}

/// What is remembered of a triplet.
struct TripletRecord: Codable, Sendable {
    /// The first attempt.
    let first: Timestamp
    /// The retry that came in time; `nil` while none has.
    var passed: Timestamp?
    /// When it was last seen, as far as it was written down.
    var seen: Timestamp
}

/// What is remembered of a client network.
struct NetworkRecord: Codable, Sendable {
    /// Triplets that have passed.
    var successes: Int
    /// When it was last seen, as far as it was written down.
    var seen: Timestamp
}

/// The operator expects mail of a domain.
struct PassRecord: Codable, Sendable {
    let until: Timestamp
}
