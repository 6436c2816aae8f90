import MailHubPlugin

/// Reads the keys that the README lists; each problem is told with its place.
extension SizeTable {
    /// Makes the table of a configuration; what is wrong in it is told, and left out.
    init(reading configuration: ConfigurationSection) {
        self.init()
        self.message = Self.limit("message", configuration)
        if let section = configuration.section("listeners") {
            for name in section.keys {
                section.checkListener(key: name)
                self.listeners[name] = Self.limit(name, section)
            }
        }
        if let section = configuration.section("domains") {
            for name in section.keys {
                guard let limit = Self.limit(name, section) else { continue }
                if let domain = Domain(name) {
                    self.domains[domain] = limit
                } else {
                    section.report("\"\(name)\" is not a domain name", withKey: name, fix: "write a domain name")
                }
            }
        }
        if let section = configuration.section("recipients") {
            for name in section.keys {
                guard let limit = Self.limit(name, section) else { continue }
                if let mailbox = Mailbox(name) {
                    self.set(limit, for: mailbox)
                } else {
                    section.report("\"\(name)\" is not a mail address", withKey: name, fix: "write a mail address")
                }
            }
        }
    }

    private static func limit(_ key: String, _ section: ConfigurationSection) -> Int? {
        guard let limit = section.optionalSize(key) else { return nil }
        guard limit > 0 else {
            section.report("a limit of 0 lets no message through", at: key, fix: "leave it out for no limit")
            return nil
        }
        return limit
    }
}
