import Foundation
import TestSupport

/// A private Active Directory: a domain controller of Samba's on a loopback address of its own, with Exchange's attributes.
///
/// Its LDAP ports are fixed, so only root can start it.
final class SambaDomain: @unchecked Sendable {
    // `@unchecked`: used by one test at a time, whose steps follow each other.

    /// The base of the domain, where `entries` stand below `OU=Staff`.
    static let base = "DC=ad,DC=example,DC=org"
    /// Where the people and groups of a test are.
    static let unit = "OU=Staff,\(base)"
    private static let password = "Adm1n-secret"

    let folder: TemporaryDirectory
    private let address: String
    private let daemon: Peer
    private let authority: TestAuthority
    private var process: RunningPeer?

    /// The domain itself.
    var url: String { "ldaps://\(self.address):636" }
    /// The global catalog of the forest.
    var catalog: String { "ldaps://\(self.address):3269" }
    /// Without TLS, where no password is taken.
    var plainURL: String { "ldap://\(self.address)" }
    /// Who vouches for its certificate.
    var authorities: String { self.authority.certificate }

    /// Makes the domain, starts it and adds the entries.
    ///
    /// - Returns: `nil` where Samba, ldapmodify or openssl is not installed, or this is not root.
    static func start(_ entries: String) throws -> SambaDomain? {
        guard let tool = try Peer.find("samba-tool"), let daemon = try Peer.find("samba"),
            let editor = try Peer.find("ldapmodify")
        else { return nil }
        guard getuid() == 0 else {
            print("skipped: a domain controller is started by root only")
            return nil
        }
        let folder = try TemporaryDirectory()
        guard let authority = try TestAuthority(folder: folder.url.appending(path: "authority")) else { return nil }
        let domain = try SambaDomain(daemon, folder, authority)
        try domain.provision(tool)
        try domain.start()
        try domain.edit(editor, ExchangeSchema.ldif(base: Self.base))
        try domain.edit(editor, "dn: \(Self.unit)\nchangetype: add\nobjectClass: organizationalUnit\n\n" + entries)
        return domain
    }

    private init(_ daemon: Peer, _ folder: TemporaryDirectory, _ authority: TestAuthority) throws {
        self.daemon = daemon
        self.folder = folder
        self.authority = authority
        self.address = "127.66.\(Int.random(in: 1...254)).\(Int.random(in: 1...254))"
    }

    func start() throws {
        self.process = try self.daemon.start(
            ["--foreground", "--no-process-group", "--model=single", "--configfile=\(self.path("etc/smb.conf"))"],
            folder: self.folder.url,
            address: self.address,
            port: 636
        )
    }

    func stop() {
        self.process?.stop()
        self.process = nil
    }

    private func path(_ name: String) -> String { self.folder.url.appending(path: name).path }

    private func provision(_ tool: Peer) throws {
        let made = try tool.run(
            [
                "domain", "provision", "--targetdir=\(self.folder.url.path)", "--realm=AD.EXAMPLE.ORG", "--domain=AD",
                "--server-role=dc", "--dns-backend=NONE", "--host-name=dc1", "--host-ip=\(self.address)",
            ] + ["--adminpass=\(Self.password)"]
        )
        guard made.status == 0 else { throw PeerFailure("samba-tool: \(made.output.suffix(1000))") }
        let certificate = try self.authority.issue("dc1", names: ["IP:\(self.address)"])
        // Samba does not take a key that others may read.
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: certificate.key)
        try Data(
            """
            [global]
            workgroup = AD
            realm = AD.EXAMPLE.ORG
            netbios name = DC1
            server role = active directory domain controller
            server services = ldap
            interfaces = \(self.address)/8
            bind interfaces only = yes
            dsdb:schema update allowed = yes
            tls certfile = \(certificate.chain)
            tls keyfile = \(certificate.key)
            tls cafile = \(self.authorities)
            log file = \(self.path("samba.log"))
            private dir = \(self.path("private"))
            state directory = \(self.path("state"))
            cache directory = \(self.path("cache"))
            lock directory = \(self.path("lock"))
            pid directory = \(self.path("run"))
            ncalrpc dir = \(self.path("run/ncalrpc"))
            winbindd socket directory = \(self.path("run/winbindd"))
            ntp signd socket directory = \(self.path("run/ntp"))

            """.utf8
        ).write(to: self.folder.url.appending(path: "etc/smb.conf"))
        for name in ["run", "lock"] {
            try FileManager.default.createDirectory(atPath: self.path(name), withIntermediateDirectories: true)
        }
    }

    /// Changes entries, as the domain's administrator.
    private func edit(_ editor: Peer, _ ldif: String) throws {
        let file = self.path("change.ldif")
        try Data(ldif.utf8).write(to: URL(filePath: file))
        let settings = self.path("ldap.conf")
        try Data("TLS_CACERT \(self.authorities)\n".utf8).write(to: URL(filePath: settings))
        let environment = Peer(executable: URL(filePath: "/usr/bin/env"))
        let done = try environment.run(
            ["LDAPCONF=\(settings)", editor.executable.path, "-x", "-H", self.url, "-f", file]
                + ["-D", "Administrator@ad.example.org", "-w", Self.password]
        )
        guard done.status == 0 else { throw PeerFailure("ldapmodify: \(done.output.suffix(1000))") }
    }

    deinit { self.stop() }
}

/// What Exchange adds to the schema of a forest, as far as the profile `activeDirectory` reads it.
private enum ExchangeSchema {
    private static let names = [
        ("authOrig", "1.2.840.113556.1.2.129", 110), ("dLMemSubmitPerms", "1.2.840.113556.1.2.144", 112),
        ("unauthOrig", "1.2.840.113556.1.2.221", 114), ("dLMemRejectPerms", "1.2.840.113556.1.2.47", 116),
    ]
    private static let values = [
        ("delivContLength", "1.2.840.113556.1.2.138", "2.5.5.9", 2),
        ("msExchRequireAuthToSendTo", "1.2.840.113556.1.4.5062", "2.5.5.8", 1),
    ]
    private static let reload = "dn:\nchangetype: modify\nreplace: schemaUpdateNow\nschemaUpdateNow: 1\n\n"

    static func ldif(base: String) -> String {
        let schema = "CN=Schema,CN=Configuration,\(base)"
        func attribute(_ name: String, _ identifier: String, _ more: String) -> String {
            """
            dn: CN=\(name),\(schema)
            changetype: add
            objectClass: attributeSchema
            lDAPDisplayName: \(name)
            attributeID: \(identifier)
            \(more)


            """
        }
        let added =
            self.names.map { name, identifier, link in
                // The syntax of a distinguished name, and the OID of its class in BER.
                attribute(
                    name,
                    identifier,
                    "attributeSyntax: 2.5.5.1\noMSyntax: 127\noMObjectClass:: KwwCh3McAIVK\nisSingleValued: FALSE\n"
                        + "linkID: \(link)"
                )
            }
            + self.values.map { name, identifier, syntax, kind in
                attribute(name, identifier, "attributeSyntax: \(syntax)\noMSyntax: \(kind)\nisSingleValued: TRUE")
            }
        let allowed = (self.names.map(\.0) + self.values.map(\.0)).map { "mayContain: \($0)\n" }.joined()
        return added.joined() + self.reload
            + "dn: CN=Mail-Recipient,\(schema)\nchangetype: modify\nadd: mayContain\n\(allowed)\n" + self.reload
    }
}
