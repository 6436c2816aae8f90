import MailHubPlugin

/// What the directory says about an address: kept in the cache and in the durable index.
struct DirectoryRecipient: Hashable, Sendable, Codable {
    /// The entry's distinguished name.
    var entry: String
    /// The primary address, where mail for the entry's other addresses goes; `nil` to leave the address as it is.
    var primary: Mailbox?
    /// Where mail is forwarded to.
    var forward: Mailbox?
    /// The members of a group that is to be expanded.
    var members: CompactMailboxes?
    /// Where in `members` those are who have a route of their own, by route: most names once, since large groups are kept too.
    var routedMembers: [String: [Int]]?
    /// Who gets the reports about mail to the group.
    var owner: Mailbox?
    /// The route of config.json.
    var route: String?
    /// The largest message, in octets.
    var sizeLimit: Int?
    /// Who may send to it.
    var restrictions: DeliveryRestrictions?

    /// What follows for mail to `mailbox` (RFC 5321 section 3.9).
    func edits(for mailbox: Mailbox) -> [RecipientEdit] {
        var edits: [RecipientEdit] = []
        // Before the members' own routes, which say more.
        if let route { edits.append(.route(route)) }
        if let forward {
            edits.append(.replace(forward))
        } else if let members {
            edits.append(.expand(members.mailboxes, owner: self.owner.map { .mailbox($0) }))
            if let routes = self.routes(of: members.mailboxes) { edits.append(.routeMembers(routes)) }
        } else if let primary, primary != mailbox {
            edits.append(.replace(primary))
        }
        if let sizeLimit { edits.append(.limitSize(sizeLimit)) }
        return edits
    }

    private func routes(of members: [Mailbox]) -> [Mailbox: String]? {
        guard let routedMembers else { return nil }
        var routes: [Mailbox: String] = [:]
        for (route, places) in routedMembers {
            for place in places where members.indices.contains(place) { routes[members[place]] = route }
        }
        return routes
    }
}

/// Who may send to a recipient: distinguished names, as the directory has them.
struct DeliveryRestrictions: Hashable, Sendable, Codable {
    /// Only senders of this site.
    var requiresTrust = false
    /// Only these, and the members of `allowedGroups`.
    var allowed: [String] = []
    var allowedGroups: [String] = []
    /// None of these, and no member of `refusedGroups`.
    var refused: [String] = []
    var refusedGroups: [String] = []

    var isEmpty: Bool { self == DeliveryRestrictions() }
}

extension DeliveryRestrictions: CustomStringConvertible {
    var description: String {
        var parts: [String] = []
        if self.requiresTrust { parts.append("senders of this site only") }
        if !self.allowed.isEmpty { parts.append("only \(self.allowed.joined(separator: "; "))") }
        if !self.allowedGroups.isEmpty {
            parts.append("only members of \(self.allowedGroups.joined(separator: "; "))")
        }
        if !self.refused.isEmpty { parts.append("not \(self.refused.joined(separator: "; "))") }
        if !self.refusedGroups.isEmpty {
            parts.append("no members of \(self.refusedGroups.joined(separator: "; "))")
        }
        return parts.joined(separator: ", ")
    }
}

/// The three answers about an address; those that are not "found" say why.
enum RecipientAnswer: Hashable, Sendable {
    case found(DirectoryRecipient)
    case notFound(String)
    case unavailable(String)
}

/// Addresses as the cache and the index know them: letters in lower case (a deliberate deviation from RFC 5321 section 2.4,
/// which every directory makes too: its attributes ignore case).
enum AddressKey {
    static func key(of mailbox: Mailbox) -> String {
        let host = mailbox.domain.map(\.canonical) ?? "\(mailbox.host)"
        return "\(mailbox.localPart.value.lowercased())@\(host)"
    }
}
