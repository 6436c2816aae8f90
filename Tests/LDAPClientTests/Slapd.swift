import Foundation
import TestSupport

/// A private slapd on loopback with its own database, certificates and schema.
final class Slapd: @unchecked Sendable {
    // `@unchecked`: used by one test at a time, whose steps follow each other.
    let folder: TemporaryDirectory
    let port: Int
    let tlsPort: Int
    private let daemon: Peer
    private var process: RunningPeer?

    var url: String { "ldap://127.0.0.1:\(self.port)" }
    var tlsURL: String { "ldaps://127.0.0.1:\(self.tlsPort)" }
    var localURL: String {
        "ldapi://" + self.path("ldapi").replacingOccurrences(of: "/", with: "%2F")
    }
    var authorities: String { self.path("ca.pem") }

    /// Loads the entries and starts the server; `nil` where slapd or openssl is not installed.
    static func start(_ ldif: String) throws -> Slapd? {
        guard let daemon = try Peer.find("slapd"), let loader = try Peer.find("slapadd"),
            let openssl = try Peer.find("openssl")
        else { return nil }
        let server = try Slapd(daemon)
        try server.prepare(openssl)
        let file = server.path("entries.ldif")
        try ldif.write(toFile: file, atomically: false, encoding: .utf8)
        let loaded = try loader.run(["-q", "-f", server.path("slapd.conf"), "-l", file])
        guard loaded.status == 0 else { throw PeerFailure("slapadd: \(loaded.output)") }
        try server.start()
        return server
    }

    private init(_ daemon: Peer) throws {
        self.daemon = daemon
        self.folder = try TemporaryDirectory()
        self.port = try freePort()
        self.tlsPort = try freePort()
    }

    func path(_ name: String) -> String { self.folder.url.appending(path: name).path }

    /// Starts it, again if it was stopped.
    func start() throws {
        self.process = try self.daemon.start(
            [
                "-d", "0", "-f", self.path("slapd.conf"),
                "-h", "ldap://127.0.0.1:\(self.port) ldaps://127.0.0.1:\(self.tlsPort) \(self.localURL)",
            ],
            folder: self.folder.url,
            port: self.port
        )
    }

    func stop() {
        self.process?.stop()
        self.process = nil
    }

    private func prepare(_ openssl: Peer) throws {
        try FileManager.default.createDirectory(atPath: self.path("database"), withIntermediateDirectories: true)
        try SlapdFiles.schema.write(toFile: self.path("mail.schema"), atomically: false, encoding: .utf8)
        try SlapdFiles.configuration(self.folder.url.path).write(
            toFile: self.path("slapd.conf"),
            atomically: false,
            encoding: .utf8
        )
        try self.certificate(openssl, "ca", subject: "/CN=Test authority", issuer: nil, names: nil)
        try self.certificate(openssl, "server", subject: "/CN=server", issuer: "ca", names: "IP:127.0.0.1")
        try self.certificate(openssl, "client", subject: "/CN=hub/O=example", issuer: "ca", names: nil)
    }

    private func certificate(_ openssl: Peer, _ name: String, subject: String, issuer: String?, names: String?) throws {
        var arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-keyout", self.path("\(name).key"), "-out", self.path("\(name).pem"), "-subj", subject,
        ]
        if let issuer {
            arguments += [
                "-CA", self.path("\(issuer).pem"), "-CAkey", self.path("\(issuer).key"),
                "-addext", "basicConstraints=critical,CA:FALSE",
            ]
        }
        if let names { arguments += ["-addext", "subjectAltName=\(names)"] }
        let made = try openssl.run(arguments)
        guard made.status == 0 else { throw PeerFailure("openssl: \(made.output)") }
    }

    deinit { self.stop() }
}

/// What slapd reads.
enum SlapdFiles {
    static func configuration(_ folder: String) -> String {
        """
        include /etc/ldap/schema/core.schema
        include /etc/ldap/schema/cosine.schema
        include /etc/ldap/schema/inetorgperson.schema
        include /etc/ldap/schema/misc.schema
        include \(folder)/mail.schema
        modulepath /usr/lib/ldap
        moduleload back_mdb
        pidfile \(folder)/slapd.pid
        TLSCACertificateFile \(folder)/ca.pem
        TLSCertificateFile \(folder)/server.pem
        TLSCertificateKeyFile \(folder)/server.key
        TLSVerifyClient try
        authz-regexp "gidNumber=.*,cn=peercred,cn=external,cn=auth" "cn=hub,dc=example,dc=org"
        authz-regexp "o=example,cn=hub" "cn=hub,dc=example,dc=org"
        sizelimit size.soft=600 size.hard=600 size.prtotal=unlimited
        database mdb
        suffix "dc=example,dc=org"
        rootdn "cn=admin,dc=example,dc=org"
        rootpw secret
        directory \(folder)/database
        maxsize 268435456
        index objectClass,mail,mailAlternateAddress,mailLocalAddress,proxyAddresses,member,memberOf eq
        access to attrs=userPassword by anonymous auth by * none
        access to dn.subtree="ou=secret,dc=example,dc=org" by dn.exact="cn=hub,dc=example,dc=org" read by * none
        access to * by * read

        """
    }

    /// What Active Directory and mail servers add to the standard schemas.
    static let schema = """
        attributetype ( 1.3.6.1.4.1.32473.1.1 NAME 'mailAlternateAddress'
          EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
        attributetype ( 1.3.6.1.4.1.32473.1.2 NAME 'proxyAddresses'
          EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
        attributetype ( 1.3.6.1.4.1.32473.1.3 NAME 'userAccountControl'
          EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
        attributetype ( 1.3.6.1.4.1.32473.1.4 NAME 'authOrig' SUP distinguishedName )
        attributetype ( 1.3.6.1.4.1.32473.1.5 NAME 'unauthOrig' SUP distinguishedName )
        attributetype ( 1.3.6.1.4.1.32473.1.6 NAME 'dLMemSubmitPerms' SUP distinguishedName )
        attributetype ( 1.3.6.1.4.1.32473.1.7 NAME 'msExchRequireAuthToSendTo'
          EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 SINGLE-VALUE )
        attributetype ( 1.3.6.1.4.1.32473.1.8 NAME 'delivContLength'
          EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
        attributetype ( 1.3.6.1.4.1.32473.1.9 NAME 'managedBy' SUP distinguishedName )
        attributetype ( 1.3.6.1.4.1.32473.1.10 NAME 'memberOf' SUP distinguishedName )
        attributetype ( 1.3.6.1.4.1.32473.1.11 NAME 'dLMemRejectPerms' SUP distinguishedName )
        objectclass ( 1.3.6.1.4.1.32473.2.1 NAME 'mailUser' SUP top AUXILIARY MAY mailAlternateAddress )
        objectclass ( 1.3.6.1.4.1.32473.2.4 NAME 'mailGroup' SUP top AUXILIARY MAY mail )
        objectclass ( 1.3.6.1.4.1.32473.2.2 NAME 'user' SUP inetOrgPerson STRUCTURAL
          MAY ( proxyAddresses $ userAccountControl $ delivContLength $ memberOf $ authOrig $ unauthOrig ) )
        objectclass ( 1.3.6.1.4.1.32473.2.3 NAME 'group' SUP top STRUCTURAL MUST cn
          MAY ( member $ mail $ proxyAddresses $ managedBy $ authOrig $ unauthOrig $ dLMemSubmitPerms $
            dLMemRejectPerms $ msExchRequireAuthToSendTo $ memberOf $ description ) )

        """
}
