import DKIM
import Delivery
import MailHubPlugin
import Reception
import SMTP
import TransportSecurity

/// `"tls"` of a listener.
extension HubConfigurationReader {
    private enum Mode: String, CaseIterable {
        case none
        case startTLS = "starttls"
        case startTLSRequired = "starttls-required"
        case implicit
    }

    /// Reads the section, and the files that it names; `nil` where there is to be no TLS.
    func tls(_ listener: ConfigurationSection, _ role: ListenerRole) -> ListenerTLS? {
        guard let section = listener.section("tls") else { return nil }
        let mode = section.enumeration("mode", default: Mode.startTLS)
        let entries = section.sections("certificates")
        let complete = entries.compactMap { self.certificateFiles($0) }
        var settings = ServerTLSSettings(certificates: complete)
        settings.minimumVersion = section.enumeration("minimumVersion", default: settings.minimumVersion)
        settings.ciphers = section.optionalString("ciphers")
        settings.clientCertificates = section.enumeration("clientCertificates", default: settings.clientCertificates)
        settings.clientAuthorities = section.filePath("clientAuthorities")
        settings.handshakeTime = section.positiveDuration("handshakeTimeout", default: settings.handshakeTime)
        if settings.clientAuthorities != nil, settings.clientCertificates == .none {
            section.report(
                "no client is asked for a certificate",
                at: "clientAuthorities",
                fix: "add \"clientCertificates\": \"request\" or \"require\", or remove the key"
            )
        }
        let tlsMode: ListenerTLS.Mode
        switch mode {
        case .none:
            if role == .submission {
                section.report(
                    "submission needs TLS: passwords are not taken in the clear",
                    at: "mode",
                    fix: "write \"starttls\" or \"implicit\", with a certificate"
                )
            }
            return nil
        case .startTLS: tlsMode = .startTLS
        case .startTLSRequired: tlsMode = .startTLSRequired
        case .implicit: tlsMode = .implicit
        }
        guard !entries.isEmpty else {
            section.report(
                "no certificate",
                at: "certificates",
                fix: "add one: [{ \"chain\": \"fullchain.pem\", \"key\": \"privkey.pem\" }], or \"mode\": \"none\""
            )
            return nil
        }
        guard complete.count == entries.count else { return nil }
        do {
            return ListenerTLS(mode: tlsMode, server: try ServerTLS(settings))
        } catch {
            for problem in error.problems { self.report(problem, section, entries) }
            return nil
        }
    }

    /// `"chain"` and `"key"`; `nil` where one is missing, which is reported.
    private func certificateFiles(_ entry: ConfigurationSection) -> CertificateFiles? {
        if !entry.has("chain") { _ = entry.requiredString("chain") }
        if !entry.has("key") { _ = entry.requiredString("key") }
        // Both in any case: a key that nobody has asked for is unknown.
        let (chain, key) = (entry.filePath("chain"), entry.filePath("key"))
        guard let chain, let key else { return nil }
        return CertificateFiles(chain: chain, key: key)
    }

    /// `"clientCertificate"` of a route.
    private func clientCertificate(_ route: ConfigurationSection) -> ClientCertificate? {
        guard let entry = route.section("clientCertificate"), let files = self.certificateFiles(entry) else {
            return nil
        }
        do throws(TLSFileProblem) {
            return try ClientCertificate(files)
        } catch {
            entry.report("\(error)", at: error.purpose == .key ? "key" : "chain", fix: error.fix)
            return nil
        }
    }

    private func report(
        _ problem: ServerTLSProblem,
        _ section: ConfigurationSection,
        _ entries: [ConfigurationSection]
    ) {
        switch problem {
        case .certificate(let index, let file):
            guard entries.indices.contains(index) else { return }
            entries[index].report("\(file)", at: file.purpose == .key ? "key" : "chain", fix: file.fix)
        case .clientAuthorities(let file):
            section.report("\(file)", at: "clientAuthorities", fix: file.fix)
        case .settings(let text):
            let key = text.contains("authority") ? "clientAuthorities" : "ciphers"
            section.report(
                text,
                at: key,
                fix: key == "ciphers"
                    ? "remove \"ciphers\", or see openssl-ciphers(1)" : "name a PEM file of authorities"
            )
        }
    }
}

/// TLS of a route: `"tls"`, `"tlsDomains"`, `"tlsNames"`, `"authorities"`, `"clientCertificate"`.
extension HubConfigurationReader {
    func tls(
        of route: RouteConfiguration,
        _ section: ConfigurationSection
    ) -> RouteTLS? {
        let standard: TLSPolicy
        switch route {
        case .maildir: return nil
        case .mx, .fixed(.smtp, .host): standard = .may
        case .fixed: standard = .none  // a socket, or LMTP: within the site
        }
        let policy = section.enumeration("tls", default: section.has("authentication") ? .verify : standard)
        var domains: [String: TLSPolicy] = [:]
        if let entries = section.section("tlsDomains") {
            for name in entries.keys {
                let policy = entries.enumeration(name, default: policy)
                guard let domain = Domain(name) else {
                    entries.report(
                        "\"\(name)\" is not a domain name",
                        at: name,
                        fix: "write one such as \"example.org\""
                    )
                    continue
                }
                domains[domain.canonical] = policy
            }
            if route != .mx {
                section.report(
                    "this route has one next hop for all domains",
                    at: "tlsDomains",
                    fix: "use \"tls\" for the route, or \"lookup\": \"mx\""
                )
            }
        }
        let names = section.strings("tlsNames") ?? []
        for name in names where Domain(name) == nil && IPAddress(name) == nil {
            section.report("\"\(name)\" is not a host name", at: "tlsNames", fix: "write names of the next hop")
        }
        let isVerified = ([policy] + domains.values).contains { $0 == .verify }
        if !names.isEmpty, !isVerified {
            section.report(
                "no certificate is compared with these names",
                at: "tlsNames",
                fix: "add \"tls\": \"verify\", or remove the key"
            )
        }
        let authorities = section.filePath("authorities")
        let certificate = self.clientCertificate(section)
        guard policy != .none || domains.values.contains(where: { $0 != .none }) || authorities != nil else {
            if section.has("clientCertificate") {
                section.report(
                    "nobody is shown the certificate: this route is in the clear",
                    at: "clientCertificate",
                    fix: "remove it, or add \"tls\": \"verify\""
                )
            }
            return nil
        }
        do throws(TLSFileProblem) {
            let client = try self.clients.client(trusting: authorities, as: certificate)
            var tls = RouteTLS(policy: policy, authorities: authorities, client: client)
            tls.domains = domains
            tls.names = names
            return tls
        } catch {
            section.report("\(error)", at: "authorities", fix: error.fix)
            return nil
        }
    }
}

extension HubConfigurationReader {
    /// A route that asks for DANE where nothing is validated would keep all its mail.
    func checkDANE(_ routes: [String: RouteTLS], _ dns: DNSConfiguration) {
        guard dns.trustAnchor == nil else { return }
        let asking = routes.filter { $0.value.policy == .dane || $0.value.domains.values.contains(.dane) }
        for name in asking.keys.sorted() {
            self.root.report(
                "route \(Quotation.of(name)) asks for DANE, and nothing validates the DNS",
                at: "routes",
                fix: "add \"trustAnchor\": \"/usr/share/dns/root.key\" to \"dns\" (Debian: dns-root-data)"
            )
        }
    }
}

/// `"authentication"` of a route.
extension HubConfigurationReader {
    func authentication(of route: RouteConfiguration, _ section: ConfigurationSection) -> RouteAuthentication? {
        if case .maildir = route, !section.has("authentication") { return nil }
        guard let entry = section.section("authentication") else { return nil }
        let user = entry.requiredString("user")
        let password = entry.secret("password")
        if !entry.has("password") {
            entry.report("missing", at: "password", fix: "add \"password\": { \"file\": \"…\" }")
        }
        guard case .fixed(_, .host) = route else {
            section.report(
                "this route has no next hop to know the hub by a password",
                at: "authentication",
                fix: "remove it, or name the next hop with \"host\""
            )
            return nil
        }
        let policy: TLSPolicy = section.enumeration("tls", default: .verify)
        guard policy == .verify || policy == .dane else {
            section.report(
                "the password would be told to whoever pretends to be the next hop",
                at: "tls",
                fix:
                    "write \"verify\" or \"dane\", or remove \"tls\": \"verify\" is the default beside \"authentication\""
            )
            return nil
        }
        guard let password, !user.isEmpty else { return nil }
        guard let authentication = RouteAuthentication(user: user, password: password) else {
            entry.report(
                "the user or the password has control characters",
                at: "user",
                fix: "remove them"
            )
            return nil
        }
        return authentication
    }
}

/// `"mtaSTS"`.
extension HubConfigurationReader {
    /// `nil` where it is switched off.
    func mtaSTS() -> MTASTSConfiguration? {
        let section = self.root.section("mtaSTS")
        let isEnabled = section?.boolean("enabled", default: true) ?? true
        let authorities = section?.filePath("authorities")
        let port = section?.optionalInteger("port", in: 1...65535)
        let timeLimit = section?.positiveDuration("timeout", default: .seconds(30))
        do throws(TLSFileProblem) {
            let client = try self.clients.client(trusting: authorities)
            let result = MTASTSConfiguration(
                port: port ?? 443,
                timeLimit: timeLimit ?? .seconds(30),
                authorities: authorities,
                client: client
            )
            return isEnabled ? result : nil
        } catch {
            (section ?? self.root).report("\(error)", at: "authorities", fix: error.fix)
            return nil
        }
    }
}

/// `"tlsReports"`.
extension HubConfigurationReader {
    /// What the section says; what it leaves out comes from elsewhere.
    struct TLSReportsSection {
        let organization: String?
        let contact: Mailbox?
        let authorities: String?
        let client: ClientTLS
        let dkim: DKIMSection?

        func configuration(host: Domain, postmaster: Mailbox) -> TLSReportsConfiguration {
            let contact = self.contact ?? postmaster
            return TLSReportsConfiguration(
                organization: self.organization ?? host.text,
                contact: contact,
                authorities: self.authorities,
                client: self.client,
                signer: self.dkim.map { dkim in
                    DKIMSigner(domain: dkim.domain ?? contact.domain ?? host, selector: dkim.selector, key: dkim.key)
                }
            )
        }
    }

    /// Whose reports are, and the key that says so.
    struct DKIMSection {
        let domain: Domain?
        let selector: Domain
        let key: SigningKey
    }

    private func dkim(_ section: ConfigurationSection) -> DKIMSection? {
        let domain = section.domain("domain")
        let selector = section.domain("selector")
        guard let path = section.filePath("key") else {
            section.report("missing", at: "key", fix: "name a file with a private key (PEM)")
            return nil
        }
        let key: SigningKey
        do throws(TLSFileProblem) {
            key = try SigningKey(path: path)
        } catch {
            section.report("\(error)", at: "key", fix: error.fix)
            return nil
        }
        guard let selector else {
            if !section.keys.contains("selector") {
                section.report("missing", at: "selector", fix: "choose a name, such as \"2026\"")
            }
            return nil
        }
        return DKIMSection(domain: domain, selector: selector, key: key)
    }

    /// `nil` where it is switched off.
    func tlsReports(_ section: ConfigurationSection) -> TLSReportsSection? {
        let isEnabled = section.boolean("enabled", default: true)
        let organization = section.optionalString("organization")
        if let organization, organization.isEmpty || !organization.allSatisfy({ $0.isASCII && !$0.isNewline }) {
            section.report("not a line of ASCII", at: "organization", fix: "write the organisation's name in one line")
        }
        let contact = section.mailbox("contact")
        let dkim = section.section("dkim").flatMap(self.dkim)
        let authorities = section.filePath("authorities")
        do throws(TLSFileProblem) {
            let client = try self.clients.client(trusting: authorities)
            guard isEnabled else { return nil }
            return TLSReportsSection(
                organization: organization,
                contact: contact,
                authorities: authorities,
                client: client,
                dkim: dkim
            )
        } catch {
            section.report("\(error)", at: "authorities", fix: error.fix)
            return nil
        }
    }
}
