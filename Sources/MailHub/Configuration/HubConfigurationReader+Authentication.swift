import LDAPClient
import MailHubPlugin
import OAuth
import Reception
import SASL
import TransportSecurity

/// `"authentication"`: who may submit mail.
extension HubConfigurationReader {
    /// - Parameters:
    ///   - directory: where users may be.
    ///   - tokens: what checks the tokens of users, where they are taken.
    func authentication(
        _ directory: LDAPSettings?,
        _ listeners: [ListenerSettings],
        tokens: inout TokenVerifier?
    ) -> AuthenticationSettings {
        var settings = AuthenticationSettings()
        guard let section = self.root.section("authentication") else { return settings }
        let expected = SASLMechanism.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        if let names = section.values("mechanisms", expected: "one of \(expected)", { SASLMechanism(rawValue: $0) }) {
            if names.isEmpty {
                section.report("no mechanism", at: "mechanisms", fix: "name at least one, or leave the key out")
            }
            settings.mechanisms = names
        }
        settings.senders = section.enumeration("senders", default: SenderRule.own)
        tokens = section.section("oauth").flatMap(self.tokens)
        settings.usesDirectory = section.boolean("directory", default: false)
        if settings.usesDirectory {
            self.checkSecrecyOfUsers(directory, section)
            // The directory tells nobody its passwords: a client that prefers SCRAM could not log in.
            if !section.has("mechanisms") {
                settings.mechanisms.removeAll { $0 == .scramSHA256 || $0 == .scramSHA256Plus }
            }
        }
        self.checkMechanisms(settings, section, listeners)
        guard let path = section.filePath("users") else { return settings }
        do throws(UserFileStorage.Failure) {
            let stamp = FileStamp(path: path)
            let file = try UserFileStorage.read(path)
            settings.accounts = try? UserAccounts(path: path, file, stamp: stamp)
        } catch {
            section.report(error.description, at: "users", fix: error.fix)
        }
        return settings
    }

    /// `"oauth"` of `"authentication"`.
    private func tokens(_ section: ConfigurationSection) -> TokenVerifier? {
        let issuer = section.requiredString("issuer")
        let audience = section.requiredString("audience")
        let claim = section.optionalString("userClaim") ?? "email"
        let scope = section.optionalString("scope")
        if scope?.contains(where: \.isWhitespace) == true {
            section.report("more than one word", at: "scope", fix: "name the one that allows to send mail")
        }
        if !section.has("keys") { _ = section.requiredString("keys") }
        guard let path = section.filePath("keys") else { return nil }
        do {
            let stamp = FileStamp(path: path)
            let keys = try KeySetFile.read(path)
            let settings = TokenSettings(
                issuer: issuer,
                audience: audience,
                userClaim: claim,
                scope: scope,
                keysPath: path
            )
            return TokenVerifier(settings, keys: keys, stamp: stamp)
        } catch {
            section.report(
                "\"\(path)\" \(error)",
                at: "keys",
                fix: "save there what the issuer's jwks_uri shows: its public keys, as JSON"
            )
            return nil
        }
    }

    /// Users' passwords go to the directory over TLS only, or within this host.
    private func checkSecrecyOfUsers(_ directory: LDAPSettings?, _ section: ConfigurationSection) {
        guard let directory else {
            if !self.root.has("directory") {
                section.report("there is no directory", at: "directory", fix: "add \"directory\" to the file")
            }
            return
        }
        guard !directory.usesStartTLS else { return }
        for server in directory.servers where server.transport == .plain && !Self.isThisHost(server.host) {
            section.report(
                "passwords of users would go to \(server) in the clear",
                at: "directory",
                fix: "use ldaps://, or write \"startTLS\": true in \"directory\""
            )
        }
    }

    /// Mechanisms that nobody could use are a mistake.
    private func checkMechanisms(
        _ settings: AuthenticationSettings,
        _ section: ConfigurationSection,
        _ listeners: [ListenerSettings]
    ) {
        let submission = listeners.filter { $0.role == .submission }
        guard !submission.isEmpty else { return }
        let asksForCertificates = submission.contains {
            ($0.tls?.server.settings.clientCertificates ?? .none) != .none
        }
        /// What a mechanism lacks, and the key that adds it.
        func lack(_ mechanism: SASLMechanism) -> (what: String, fix: String)? {
            switch mechanism {
            case .plain, .login:
                section.has("users") || settings.usesDirectory || self.root.has("plugins")
                    ? nil : ("there are no passwords", "\"users\": \"users\" or \"directory\": true")
            case .scramSHA256, .scramSHA256Plus:
                section.has("users") ? nil : ("there is no file of users", "\"users\": \"users\"")
            case .oauthBearer, .xoauth2:
                section.has("oauth") ? nil : ("no issuer of tokens is known", "\"oauth\": { … }")
            case .external:
                asksForCertificates
                    ? nil
                    : (
                        "no submission listener asks for a certificate",
                        "\"clientCertificates\": \"request\" and \"clientAuthorities\" to the \"tls\" of one"
                    )
            }
        }
        guard section.has("mechanisms") else {
            guard settings.mechanisms.allSatisfy({ lack($0) != nil }) else { return }
            self.root.report(
                "nobody could log in: there are no users",
                at: "authentication",
                fix: "add \"users\": \"users\" to it, and: mailhub user add NAME"
            )
            return
        }
        for (index, mechanism) in settings.mechanisms.enumerated() {
            guard let lack = lack(mechanism) else { continue }
            section.report(
                "nobody could use \(mechanism.rawValue): \(lack.what)",
                at: "mechanisms",
                index: index,
                fix: "add \(lack.fix), or remove the mechanism"
            )
        }
    }

    /// A submission listener without TLS, or without anybody who could log in, is a mistake.
    func checkSubmission(_ listener: ConfigurationSection, hasTLS: Bool) {
        if !hasTLS, !listener.has("tls") {
            listener.report(
                "submission needs TLS: passwords are not taken in the clear",
                at: "role",
                fix: "add \"tls\": { \"certificates\": [{ \"chain\": \"fullchain.pem\", \"key\": \"privkey.pem\" }] }"
            )
        }
        if !self.root.has("authentication"), !self.root.has("plugins") {
            listener.report(
                "nobody could log in here",
                at: "role",
                fix: "add \"authentication\": { \"users\": \"users\" } to the file, and: mailhub user add NAME"
            )
        }
    }
}
