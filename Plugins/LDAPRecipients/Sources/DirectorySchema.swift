import MailHubPlugin

/// Which attributes say what: a profile's, with what the configuration changes.
struct DirectorySchema: Hashable, Sendable {
    /// Attributes whose values are addresses of the entry; the first one's is the primary address.
    var addresses: [String]
    /// Attributes whose values are addresses with a prefix: `SMTP:` for the primary one, `smtp:` for others.
    var prefixedAddresses: [String]
    /// The address that mail is forwarded to.
    var forward: String?
    /// The host that has the mailbox.
    var host: String?
    /// The largest message, as a number.
    var sizeLimit: String?
    /// What one means in `sizeLimit`, in octets.
    var sizeUnit: Int
    /// Flags of an account; bit 2 says that it is disabled.
    var accountFlags: String?
    /// Object classes of groups.
    var groupClasses: Set<String>
    /// Distinguished names of a group's members.
    var members: [String]
    /// Addresses of a group's members.
    var memberAddresses: [String]
    /// Who looks after a group: a distinguished name or an address.
    var owners: [String]
    /// The groups of an entry, where the directory keeps them there.
    var memberOf: String
    /// Who alone may send: distinguished names.
    var allowedSenders: String?
    /// Who may not.
    var refusedSenders: String?
    /// Groups whose members alone may send.
    var allowedGroups: String?
    /// Groups whose members may not.
    var refusedGroups: String?
    /// `TRUE`: only senders of this site may send.
    var requiresTrust: String?
    /// How nested groups are followed.
    var nesting: Nesting
    /// A filter of the site's own; `{address}`, `{user}` and `{domain}` are replaced.
    var filter: String?

    /// How nested groups are followed.
    enum Nesting: String, CaseIterable {
        /// The server does it, by the matching rule 1.2.840.113556.1.4.1941.
        case rule
        /// The hub does it, group by group.
        case walk
    }

    /// LDAP_MATCHING_RULE_IN_CHAIN of Active Directory.
    static let chainRule = "1.2.840.113556.1.4.1941"

    init(_ profile: DirectoryProfile) {
        switch profile {
        case .openldap:
            self.init(
                addresses: ["mail", "mailAlternateAddress", "mailLocalAddress"],
                prefixedAddresses: [],
                forward: "mailRoutingAddress",
                host: "mailHost",
                sizeUnit: 1,
                groupClasses: ["groupofnames", "groupofuniquenames", "groupofmembers"],
                members: ["member", "uniqueMember"],
                memberAddresses: ["rfc822MailMember", "mgrpRFC822MailMember"],
                owners: ["owner"],
                nesting: .walk
            )
        case .activeDirectory:
            self.init(
                addresses: ["mail"],
                prefixedAddresses: ["proxyAddresses"],
                sizeLimit: "delivContLength",
                sizeUnit: 1024,
                accountFlags: "userAccountControl",
                groupClasses: ["group"],
                members: ["member"],
                memberAddresses: [],
                owners: ["managedBy"],
                allowedSenders: "authOrig",
                refusedSenders: "unauthOrig",
                allowedGroups: "dLMemSubmitPerms",
                refusedGroups: "dLMemRejectPerms",
                requiresTrust: "msExchRequireAuthToSendTo",
                nesting: .rule
            )
        }
    }

    private init(
        addresses: [String],
        prefixedAddresses: [String],
        forward: String? = nil,
        host: String? = nil,
        sizeLimit: String? = nil,
        sizeUnit: Int,
        accountFlags: String? = nil,
        groupClasses: Set<String>,
        members: [String],
        memberAddresses: [String],
        owners: [String],
        allowedSenders: String? = nil,
        refusedSenders: String? = nil,
        allowedGroups: String? = nil,
        refusedGroups: String? = nil,
        requiresTrust: String? = nil,
        nesting: Nesting
    ) {
        self.addresses = addresses
        self.prefixedAddresses = prefixedAddresses
        self.forward = forward
        self.host = host
        self.sizeLimit = sizeLimit
        self.sizeUnit = sizeUnit
        self.accountFlags = accountFlags
        self.groupClasses = groupClasses
        self.members = members
        self.memberAddresses = memberAddresses
        self.owners = owners
        self.memberOf = "memberOf"
        self.allowedSenders = allowedSenders
        self.refusedSenders = refusedSenders
        self.allowedGroups = allowedGroups
        self.refusedGroups = refusedGroups
        self.requiresTrust = requiresTrust
        self.nesting = nesting
    }

    /// Whether any entry can restrict who may send to it.
    var hasRestrictions: Bool {
        let attributes = [
            self.allowedSenders, self.refusedSenders, self.allowedGroups, self.refusedGroups, self.requiresTrust,
        ]
        return attributes.contains { $0 != nil }
    }

    /// All attributes that are asked for.
    var wanted: [String] {
        let optional = [
            self.forward, self.host, self.sizeLimit, self.accountFlags, self.allowedSenders, self.refusedSenders,
            self.allowedGroups, self.refusedGroups, self.requiresTrust,
        ]
        return ["objectClass", self.memberOf] + self.addresses + self.prefixedAddresses + optional.compactMap(\.self)
            + self.members + self.memberAddresses + self.owners
    }

    // MARK: Filters

    /// The filter that finds an address.
    func filter(for mailbox: Mailbox) -> DirectoryFilter {
        let address = "\(mailbox.localPart.value)@\(mailbox.host)"
        if let own = self.filter { return .text(Self.filled(own, address, mailbox)) }
        return self.filter(matching: address)
    }

    func filter(matching address: String) -> DirectoryFilter {
        let plain = self.addresses.map { DirectoryFilter.equals($0, address) }
        let prefixed = self.prefixedAddresses.map { DirectoryFilter.equals($0, "smtp:\(address)") }
        let filters = prefixed + plain
        return filters.count == 1 ? filters[0] : .or(filters)
    }

    /// An address as values are compared, where that is beyond doubt: no filter of the site's own, and nothing but ASCII without
    /// spaces, which directories compare without regard to case.
    func matchingKey(of mailbox: Mailbox) -> String? {
        guard self.filter == nil else { return nil }
        let address = "\(mailbox.localPart.value)@\(mailbox.host)"
        return address.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ? address.lowercased() : nil
    }

    /// All addresses by which an entry is found, as `matchingKey` has them.
    func matchingKeys(of entry: DirectoryEntry) -> Set<String> {
        let plain = self.addresses.flatMap { entry[$0] }.map { $0.lowercased() }
        let prefixed = self.prefixedAddresses.flatMap { entry[$0] }.map { $0.lowercased() }
            .filter { $0.hasPrefix("smtp:") }.map { String($0.dropFirst(5)) }
        return Set(plain + prefixed)
    }

    /// Each value is escaped (RFC 4515 section 3).
    private static func filled(_ template: String, _ address: String, _ mailbox: Mailbox) -> String {
        let values = ["{address}": address, "{user}": mailbox.localPart.value, "{domain}": "\(mailbox.host)"]
        return self.filled(template, values.mapValues { DirectoryFilter.escaped($0) })
    }

    /// One pass, so that no address can bring in a placeholder.
    private static func filled(_ template: String, _ values: [String: String]) -> String {
        var result = ""
        var rest = template[...]
        while let brace = rest.firstIndex(of: "{") {
            result += rest[..<brace]
            rest = rest[brace...]
            if let (name, value) = values.first(where: { rest.hasPrefix($0.key) }) {
                result += value
                rest = rest.dropFirst(name.count)
            } else {
                result.append("{")
                rest = rest.dropFirst()
            }
        }
        return result + rest
    }

    /// Entries that have an address.
    var mailEnabled: DirectoryFilter {
        let filters = (self.prefixedAddresses + self.addresses).map { DirectoryFilter.present($0) }
        return filters.count == 1 ? filters[0] : .or(filters)
    }

    /// Entries that a search for some address may find: a filter of the site's own stands for any address.
    var findable: DirectoryFilter {
        guard let own = self.filter else { return self.mailEnabled }
        let any = Self.filled(own, ["{address}": "*", "{user}": "*", "{domain}": "*"])
        return .and([self.mailEnabled, .text(any)])
    }

    // MARK: Entries

    /// The addresses of an entry, the primary one first.
    func addresses(of entry: DirectoryEntry) -> [Mailbox] {
        var result: [Mailbox] = []
        func add(_ mailbox: Mailbox?) {
            if let mailbox, !result.contains(mailbox) { result.append(mailbox) }
        }
        let prefixed = self.prefixedAddresses.flatMap { entry[$0] }
        for value in prefixed where value.hasPrefix("SMTP:") { add(Mailbox(value.dropFirst(5))) }
        for attribute in self.addresses { for value in entry[attribute] { add(Mailbox(value)) } }
        for value in prefixed where value.hasPrefix("smtp:") { add(Mailbox(value.dropFirst(5))) }
        return result
    }

    func isGroup(_ entry: DirectoryEntry) -> Bool {
        entry["objectClass"].contains { self.groupClasses.contains($0.lowercased()) }
    }

    func isDisabled(_ entry: DirectoryEntry) -> Bool {
        guard let flags = self.accountFlags.flatMap({ entry[$0].first }).flatMap({ Int($0) }) else { return false }
        return flags & 2 != 0
    }
}
