import Foundation
import LDAPClient
import MailHubPlugin

/// `"directory"`: the LDAP servers that plugins ask.
extension HubConfigurationReader {
    /// `nil` where there is none, and where what is there is of no use: that is reported.
    func directory() -> LDAPSettings? {
        guard let section = self.root.section("directory") else { return nil }
        let servers = section.values("urls", expected: "a URL such as \"ldaps://ldap.example.org\"") { LDAPServer($0) }
        if servers?.isEmpty ?? true {
            section.report("no server", at: "urls", fix: "write \"urls\": [\"ldaps://ldap.example.org\"]")
        }
        var settings = LDAPSettings(
            servers: servers ?? [],
            base: section.requiredString("base"),
            profile: section.enumeration("profile", default: DirectoryProfile.openldap)
        )
        settings.usesStartTLS = section.boolean("startTLS", default: false)
        if let file = self.readableFile("authorities", in: section) { settings.authorities = file }
        if let own = section.section("clientCertificate") {
            let files = (own.requiredFile("chain", self), own.requiredFile("key", self))
            settings.clientCertificate = (files.0, files.1)
        }
        settings.bind = self.bind(section)
        settings.timeouts = self.timeouts(section)
        settings.connections = section.integer("connections", in: 1...64, default: settings.connections)
        settings.searchesPerConnection = section.integer(
            "searchesPerConnection",
            in: 1...10_000,
            default: settings.searchesPerConnection
        )
        settings.pageSize = section.integer("pageSize", in: 1...10_000, default: settings.pageSize)
        settings.messageSize = section.size("entrySize", default: settings.messageSize)
        if settings.messageSize < 65536 {
            section.report("too small for an entry", at: "entrySize", fix: "write \"64KiB\" or more")
        }
        self.checkSecrecy(of: settings, section)
        return settings.servers.isEmpty ? nil : settings
    }

    private func bind(_ section: ConfigurationSection) -> LDAPBind {
        guard let bind = section.section("bind") else { return .anonymous }
        if let mechanism = bind.optionalString("sasl") {
            if mechanism != "EXTERNAL" {
                bind.report("\"\(mechanism)\" is not supported", at: "sasl", fix: "write \"EXTERNAL\"")
            }
            if bind.has("dn") || bind.has("password") {
                bind.report(
                    "EXTERNAL needs neither name nor password",
                    at: "sasl",
                    fix: "remove \"dn\" and \"password\""
                )
                _ = (bind.optionalString("dn"), bind.secret("password"))
            }
            return .external
        }
        let name = bind.requiredString("dn")
        let password = Self.password(in: bind)
        guard !name.isEmpty, let password else { return .anonymous }
        return .simple(name: name, password: password)
    }

    private static func password(in bind: ConfigurationSection) -> String? {
        guard bind.has("password") else {
            bind.report("missing", at: "password", fix: "add \"password\": { \"file\": \"ldap.password\" }")
            return nil
        }
        // An empty one is a problem there: a bind with a name and no password succeeds as nobody (RFC 4513 section 5.1.2).
        return bind.secret("password")?.value
    }

    private func timeouts(_ section: ConfigurationSection) -> LDAPTimeouts {
        var limits = LDAPTimeouts()
        guard let section = section.section("timeouts") else { return limits }
        let keys: [(String, WritableKeyPath<LDAPTimeouts, Duration>)] = [
            ("connect", \.connect), ("tls", \.tls), ("bind", \.bind), ("search", \.search), ("total", \.total),
            ("retry", \.retry), ("idle", \.idle),
        ]
        for (key, path) in keys {
            limits[keyPath: path] = section.positiveDuration(key, default: limits[keyPath: path])
        }
        return limits
    }

    /// A password in the clear is a mistake until somebody says that it is not.
    private func checkSecrecy(of settings: LDAPSettings, _ section: ConfigurationSection) {
        let isAllowed = section.boolean("cleartext", default: false)
        guard case .simple = settings.bind, !settings.usesStartTLS, !isAllowed else { return }
        for server in settings.servers where server.transport == .plain && !Self.isThisHost(server.host) {
            section.report(
                "the password would go to \(server) in the clear",
                at: "bind",
                fix: "write \"startTLS\": true, use ldaps://, or write \"cleartext\": true where the network is trusted"
            )
        }
    }

    static func isThisHost(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || (host.hasPrefix("127.") && IPAddress(host) != nil)
    }

    fileprivate func readableFile(_ key: String, in section: ConfigurationSection) -> String? {
        guard let path = section.filePath(key) else { return nil }
        guard FileManager.default.isReadableFile(atPath: path) else {
            section.report("cannot read \"\(path)\"", at: key, fix: "name a PEM file that the service user may read")
            return nil
        }
        return path
    }
}

extension ConfigurationSection {
    fileprivate func requiredFile(_ key: String, _ reader: HubConfigurationReader) -> String {
        if !self.has(key) {
            _ = self.requiredString(key)
            return ""
        }
        return reader.readableFile(key, in: self) ?? ""
    }
}
