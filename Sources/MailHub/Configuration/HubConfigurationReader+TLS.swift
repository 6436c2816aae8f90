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
    func tls(_ listener: ConfigurationSection) -> ListenerTLS? {
        guard let section = listener.section("tls") else { return nil }
        let mode = section.enumeration("mode", default: Mode.startTLS)
        let entries = section.sections("certificates")
        let files = entries.map { entry in
            if !entry.has("chain") { _ = entry.requiredString("chain") }
            if !entry.has("key") { _ = entry.requiredString("key") }
            return (chain: entry.filePath("chain"), key: entry.filePath("key"))
        }
        let complete = files.compactMap { file -> CertificateFiles? in
            guard let chain = file.chain, let key = file.key else { return nil }
            return CertificateFiles(chain: chain, key: key)
        }
        var settings = ServerTLSSettings(certificates: complete)
        settings.minimumVersion = section.enumeration("minimumVersion", default: settings.minimumVersion)
        settings.ciphers = section.optionalString("ciphers")
        settings.clientCertificates = section.enumeration("clientCertificates", default: settings.clientCertificates)
        settings.clientAuthorities = section.filePath("clientAuthorities")
        settings.handshakeTime = section.duration("handshakeTimeout", default: settings.handshakeTime)
        if settings.handshakeTime <= .zero {
            section.report("no time for a handshake", at: "handshakeTimeout", fix: "write one such as \"30s\"")
        }
        let tlsMode: ListenerTLS.Mode
        switch mode {
        case .none: return nil
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
