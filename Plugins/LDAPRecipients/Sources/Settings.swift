import MailHubPlugin

/// The plugin's configuration: see the README.
struct Settings: Sendable {
    var domains: Set<Domain>
    var base: String?
    var schema: DirectorySchema
    var rules = RecipientLookup.Rules()
    var positive: Duration = .seconds(600)
    var negative: Duration = .seconds(60)
    var cacheEntries = 100_000
    var survival: Duration = .seconds(7 * 86400)
    /// How often the whole directory is read; `nil` for never.
    var syncInterval: Duration?
    /// The most entries that a synchronisation reads.
    var syncLimit = 200_000

    /// Reads the keys; what is wrong is reported with its place.
    init(reading configuration: ConfigurationSection, _ services: PluginServices) {
        if services.directory == nil {
            configuration.report(
                "there is no directory to ask",
                at: "profile",
                fix: "add \"directory\": { \"urls\": [\"ldaps://ldap.example.org\"], \"base\": \"...\" } to config.json"
            )
        }
        let profile = configuration.enumeration("profile", default: services.directory?.profile ?? .openldap)
        self.schema = DirectorySchema(profile)
        let domains = configuration.values("domains", expected: "a domain name") { Domain($0) }
        self.domains = domains.map { Set($0) } ?? services.servedDomains
        for domain in self.domains.subtracting(services.servedDomains).map(\.text).sorted() {
            configuration.report(
                "mail for \"\(domain)\" is not taken by this hub",
                at: "domains",
                fix: "add it to \"domains\" of config.json, or remove it here"
            )
        }
        self.base = configuration.optionalString("base")
        self.schema.read(configuration)
        self.readRules(configuration)
        self.readTimes(configuration)
    }

    private mutating func readRules(_ configuration: ConfigurationSection) {
        self.rules.rewritesAliases = configuration.boolean("rewriteAliases", default: true)
        self.rules.acceptsDisabled = configuration.boolean("acceptDisabled", default: false)
        if let hosts = configuration.section("hosts") {
            for host in hosts.keys { self.rules.routes[host.lowercased()] = hosts.requiredRoute(host) }
        }
        guard let groups = configuration.section("groups") else { return }
        self.rules.expandsGroups = groups.boolean("expand", default: self.rules.expandsGroups)
        self.rules.depth = groups.integer("depth", in: 1...100, default: self.rules.depth)
        self.rules.members = groups.integer("members", in: 1...10_000, default: self.rules.members)
        self.schema.nesting = groups.enumeration("nested", default: self.schema.nesting)
    }

    private mutating func readTimes(_ configuration: ConfigurationSection) {
        if let cache = configuration.section("cache") {
            self.positive = cache.duration("found", default: self.positive)
            self.negative = cache.duration("missing", default: self.negative)
            self.cacheEntries = cache.integer("entries", in: 2...10_000_000, default: self.cacheEntries)
        }
        self.survival = configuration.duration("survival", default: self.survival)
        guard let sync = configuration.section("sync") else { return }
        let interval = sync.duration("interval", default: .seconds(6 * 3600))
        if interval < .seconds(60) {
            sync.report("more often than once a minute", at: "interval", fix: "write one such as \"6h\"")
        }
        if self.survival <= .zero {
            configuration.report(
                "needs \"survival\"",
                at: "sync",
                fix: "remove \"sync\", or write \"survival\": \"7d\""
            )
        }
        self.syncInterval = interval
        self.syncLimit = sync.integer("entries", in: 1...10_000_000, default: self.syncLimit)
    }
}

extension DirectorySchema {
    /// Reads `"attributes"` and `"filter"`: each replaces the profile's.
    mutating func read(_ configuration: ConfigurationSection) {
        if let filter = configuration.optionalString("filter") {
            if !Self.isBalanced(filter) {
                configuration.report(
                    "the brackets do not match",
                    at: "filter",
                    fix: "write one such as \"(mail={address})\""
                )
            } else if !filter.contains("{address}"), !filter.contains("{user}") {
                configuration.report(
                    "finds the same entries for every address",
                    at: "filter",
                    fix: "use {address}, or {user} and {domain}"
                )
            }
            self.filter = filter
        }
        guard let section = configuration.section("attributes") else { return }
        for (key, path) in Self.lists {
            if let names = section.values(key, expected: "an attribute's name", Self.attribute) {
                self[keyPath: path] = names
            }
        }
        for (key, path) in Self.names {
            // The empty string: not used.
            if section.optionalString(key) == "" {
                self[keyPath: path] = nil
            } else if let name = section.value(key, expected: "an attribute's name", Self.attribute) {
                self[keyPath: path] = name
            }
        }
        if let classes = section.values("groupClasses", expected: "an object class", Self.attribute) {
            self.groupClasses = Set(classes.map { $0.lowercased() })
        }
        self.memberOf = section.value("memberOf", expected: "an attribute's name", Self.attribute) ?? self.memberOf
        if let unit = section.optionalSize("sizeUnit"), unit > 0 { self.sizeUnit = unit }
        if self.addresses.isEmpty, self.prefixedAddresses.isEmpty {
            section.report("no attribute holds addresses", at: "addresses", fix: "write \"addresses\": [\"mail\"]")
            self.addresses = ["mail"]
        }
    }

    private static var lists: [(String, WritableKeyPath<DirectorySchema, [String]>)] {
        [
            ("addresses", \.addresses), ("prefixedAddresses", \.prefixedAddresses), ("members", \.members),
            ("memberAddresses", \.memberAddresses), ("owners", \.owners),
        ]
    }

    private static var names: [(String, WritableKeyPath<DirectorySchema, String?>)] {
        [
            ("forward", \.forward), ("host", \.host), ("sizeLimit", \.sizeLimit), ("accountFlags", \.accountFlags),
            ("allowedSenders", \.allowedSenders), ("refusedSenders", \.refusedSenders),
            ("allowedGroups", \.allowedGroups), ("refusedGroups", \.refusedGroups), ("requiresTrust", \.requiresTrust),
        ]
    }

    /// A short name or an object identifier (RFC 4512 section 2.5).
    private static func attribute(_ text: String) -> String? {
        let isName = text.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF) || byte == 0x2D || byte == 0x2E
        }
        return isName && !text.isEmpty ? text : nil
    }

    private static func isBalanced(_ filter: String) -> Bool {
        var depth = 0
        for character in filter {
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            if depth < 0 { return false }
        }
        return depth == 0 && !filter.isEmpty
    }
}
