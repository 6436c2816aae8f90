package import MailHubPlugin

/// One server, from a URL (RFC 4516 section 2).
package struct LDAPServer: Hashable, Sendable {
    /// How the connection is made.
    package enum Transport: Hashable, Sendable {
        /// TCP; StartTLS is asked for where the settings say so.
        case plain
        /// TLS from the first octet (`ldaps`).
        case tls
        /// A socket of this machine (`ldapi`).
        case local(path: String)
    }
    /// As it was written, for messages and for the library's check of the certificate's name.
    package let url: String
    /// How the connection is made.
    package let transport: Transport
    /// Name or address; empty for a local socket.
    package let host: String
    /// The TCP port.
    package let port: Int

    /// Reads `ldap://host[:port]`, `ldaps://host[:port]` or `ldapi://%2Fpath%2Fof%2Fsocket`; `nil` for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let authority = parts.last else { return nil }
        let rest = authority.hasSuffix("/") ? authority.dropLast() : authority
        guard !rest.isEmpty, !rest.contains(where: { "/?#@ ".contains($0) }) else { return nil }
        self.url = "\(parts[0].lowercased())://\(rest)"
        switch parts[0].lowercased() {
        case "ldapi":
            guard let path = Self.unescaped(rest), path.hasPrefix("/") else { return nil }
            (self.transport, self.host, self.port) = (.local(path: path), "", 0)
        case "ldap", "ldaps":
            let isTLS = parts[0].lowercased() == "ldaps"
            guard let (host, port) = Self.hostAndPort(rest, standard: isTLS ? 636 : 389) else { return nil }
            (self.transport, self.host, self.port) = (isTLS ? .tls : .plain, host, port)
        default: return nil
        }
    }

    private static func hostAndPort(_ text: Substring, standard: Int) -> (String, Int)? {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            let host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            guard IPAddress(host) != nil else { return nil }
            if rest.isEmpty { return (String(host), standard) }
            return Self.port(rest.dropFirst()).flatMap { rest.hasPrefix(":") ? (String(host), $0) : nil }
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let host = parts.first, !host.isEmpty, parts.count <= 2 else { return nil }
        if parts.count == 1 { return (String(host), standard) }
        return Self.port(parts[1]).map { (String(host), $0) }
    }

    private static func port(_ text: Substring) -> Int? {
        Int(text).flatMap { (1...65535).contains($0) ? $0 : nil }
    }

    private static func unescaped(_ text: Substring) -> String? {
        var result: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                result.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16),
                value != 0
            else { return nil }
            result.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: result, as: UTF8.self)
    }
}

extension LDAPServer: CustomStringConvertible {
    /// The URL.
    package var description: String { self.url }
}

/// How the hub makes itself known to a server (RFC 4511 section 4.2).
package enum LDAPBind: Hashable, Sendable {
    /// Not at all.
    case anonymous
    /// By name and password.
    case simple(name: String, password: String)
    /// By what the connection knows already: the process's user on a local socket, the client certificate (RFC 4422 appendix A).
    case external
}

extension LDAPBind: CustomStringConvertible {
    /// Without the password.
    package var description: String {
        switch self {
        case .anonymous: "anonymous"
        case .simple(let name, _): "simple \(name)"
        case .external: "SASL EXTERNAL"
        }
    }
}

/// The time limits of the steps.
package struct LDAPTimeouts: Hashable, Sendable {
    /// To find the addresses and connect.
    package var connect: Duration = .seconds(3)
    /// For StartTLS and the handshake.
    package var tls: Duration = .seconds(3)
    /// For the bind.
    package var bind: Duration = .seconds(3)
    /// For one search at one server, and for each page of a long answer.
    package var search: Duration = .seconds(3)
    /// For a look-up in all, waiting and the second server included; each page of a long answer has it anew.
    package var total: Duration = .seconds(8)
    /// How long a server that failed is passed over before it is probed.
    package var retry: Duration = .seconds(10)
    /// How long a connection may be silent before a small search checks it.
    package var idle: Duration = .seconds(30)

    /// The limits that apply where the configuration has none.
    package init() {}
}

/// From `"directory"` in config.json.
package struct LDAPSettings: Hashable, Sendable {
    /// In the order of preference; at least one.
    package var servers: [LDAPServer]
    /// Where searches begin.
    package var base: String
    /// What kind of directory it is.
    package var profile: DirectoryProfile
    /// How the hub makes itself known.
    package var bind = LDAPBind.anonymous
    /// Whether `ldap` connections are secured by StartTLS (RFC 4511 section 4.14) before anything else is said.
    package var usesStartTLS = false
    /// The file of the authorities that certificates are checked against.
    package var authorities = "/etc/ssl/certs/ca-certificates.crt"
    /// Files with the hub's own certificate and key.
    package var clientCertificate: (certificate: String, key: String)? {
        get { self.certificateFiles.map { ($0.certificate, $0.key) } }
        set { self.certificateFiles = newValue.map { CertificateFiles(certificate: $0.certificate, key: $0.key) } }
    }
    private struct CertificateFiles: Hashable, Sendable { var certificate: String, key: String }
    private var certificateFiles: CertificateFiles?
    /// Time limits.
    package var timeouts = LDAPTimeouts()
    /// How many connections are held with the server in use.
    package var connections = 2
    /// The most searches under way on one connection.
    package var searchesPerConnection = 100
    /// The most searches that wait for a connection.
    package var waitingSearches = 10_000
    /// The most octets of one entry, and of any other message of a server.
    package var messageSize = 4 << 20
    /// Entries in a page (RFC 2696).
    package var pageSize = 500

    /// Settings with the rest as usual.
    package init(servers: [LDAPServer], base: String, profile: DirectoryProfile = .openldap) {
        self.servers = servers
        self.base = base
        self.profile = profile
    }
}

/// Why a server is of no use, with the server and the step.
package struct LDAPFailure: Error, Hashable, CustomStringConvertible {
    /// For our log; never holds a password.
    package let description: String

    init(_ server: LDAPServer, _ step: String, _ reason: String) {
        self.description = "\(server), \(step): \(reason)"
    }

    init(text: String) { self.description = text }
}
