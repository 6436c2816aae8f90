import LDAPClient
import MailHubPlugin
import OAuth
import Reception
import SASL

/// `"authentication"`: who may submit mail.
extension HubConfigurationReader {
    /// - Parameters:
    ///   - directory: where users may be.
    ///   - tokens: what checks the tokens of users, where they are taken.
    func authentication(_ directory: LDAPSettings?, tokens: inout TokenVerifier?) -> AuthenticationSettings {
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
        if settings.usesDirectory { self.checkSecrecyOfUsers(directory, section) }
        guard let path = section.filePath("users") else { return settings }
        do throws(UserFileStorage.Failure) {
            let file = try UserFileStorage.read(path)
            settings.accounts = try? UserAccounts(path: path, file)
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
            let keys = try KeySetFile.read(path)
            let settings = TokenSettings(
                issuer: issuer,
                audience: audience,
                userClaim: claim,
                scope: scope,
                keysPath: path
            )
            return TokenVerifier(settings, keys: keys)
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
