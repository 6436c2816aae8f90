import Foundation
import LDAPClient
import MailHubPlugin
import NIOPosix
import TestSupport
import Testing

@Suite("Recipients and users of a real Active Directory", .timeLimit(.minutes(5)))
struct DomainControllerTests {
    private static let password = "Us3r-secret"
    private static func name(_ name: String) -> String { "CN=\(name),\(SambaDomain.unit)" }

    /// A person, who may log in as `name` with the password.
    private static func user(_ name: String, flags: Int = 512, _ more: String = "") -> String {
        let quoted = "\"\(self.password)\"".utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        return """
            dn: \(self.name(name))
            changetype: add
            objectClass: user
            sAMAccountName: \(name)
            userPrincipalName: \(name)@ad.example.org
            userAccountControl: \(flags)
            unicodePwd:: \(Data(quoted).base64EncodedString())
            mail: \(name)@example.org
            proxyAddresses: SMTP:\(name)@example.org
            proxyAddresses: smtp:\(name).other@example.org
            proxyAddresses: X400:c=us;a= ;p=example;s=\(name)
            \(more)

            """
    }
    private static func group(_ name: String, _ members: [String], _ more: String = "") -> String {
        """
        dn: \(self.name(name))
        changetype: add
        objectClass: group
        sAMAccountName: \(name)
        groupType: -2147483640
        proxyAddresses: SMTP:\(name)@example.org
        \(members.map { "member: \(self.name($0))\n" }.joined())\(more)

        """
    }
    private static var entries: String {
        Self.user("ann", "delivContLength: 1\n") + Self.user("bob") + Self.user("carol")
            + Self.user("gone", flags: 514)
            + Self.group("inner", ["bob"])
            + Self.group("outer", ["ann", "inner", "gone"], "managedBy: \(Self.name("carol"))\n")
            // Two groups that contain each other.
            + "dn: \(Self.name("inner"))\nchangetype: modify\nadd: member\nmember: \(Self.name("outer"))\n\n"
            + Self.group("closed", ["ann"], "msExchRequireAuthToSendTo: TRUE\n")
            + Self.group("board", ["ann"], "authOrig: \(Self.name("carol"))\ndLMemSubmitPerms: \(Self.name("outer"))\n")
            + Self.group("quiet", ["ann"], "unauthOrig: \(Self.name("carol"))\n") + Self.group("empty", ["gone"])
    }

    private static let replies: [(sender: String, recipient: String, reply: String)] = [
        ("x@example.net", "ann", "250"), ("x@example.net", "ANN.Other", "250"), ("x@example.net", "gone", "550 5.1.1"),
        ("x@example.net", "nobody", "550 5.1.1"), ("x@example.net", "ann*", "550 5.1.1"),
        ("x@example.net", "empty", "550 5.1.1"), ("x@example.net", "inner", "250"),
        ("x@example.net", "board", "550 5.7.1"), ("bob.other@example.org", "board", "250"),
        ("carol@example.org", "board", "250"), ("gone@example.org", "quiet", "250"),
        ("carol@example.org", "quiet", "550 5.7.1"), ("ann@example.org", "closed", "550 5.7.1"),
    ]

    private static func hub(_ folder: URL, _ domain: SambaDomain, urls: [String], _ more: [String: Any] = [:]) throws
        -> HubProcess
    {
        let plugin = ["plugin": "LDAPRecipients", "timeout": "3m", "configuration": more] as [String: Any]
        return try HubProcess(
            folder: folder,
            more: [
                "directory": [
                    "urls": urls, "profile": "activeDirectory", "base": SambaDomain.base,
                    "authorities": domain.authorities,
                    "timeouts": [
                        // A busy machine's domain controller takes its time.
                        "connect": "1m", "tls": "1m", "bind": "1m", "search": "1m", "total": "2m", "retry": "200ms",
                    ],
                    "bind": ["dn": "ann@ad.example.org", "password": self.password],
                ],
                "plugins": [plugin], "relayNetworks": [String](),
            ]
        )
    }

    @Test(
        "the profile activeDirectory: aliases, disabled accounts, nested groups, restrictions; then the domain is down",
        arguments: ["domain", "catalog", "walk"]
    )
    func recipients(_ way: String) async throws {
        try await onThread {
            guard let domain = try SambaDomain.start(Self.entries) else { return }
            let hub = try Self.hub(
                domain.folder.url,
                domain,
                urls: [way == "catalog" ? domain.catalog : domain.url],
                way == "walk" ? ["groups": ["nested": "walk"]] : [:]
            )
            try hub.start()
            let client = try SMTPTestClient(port: hub.port)
            _ = try client.command("EHLO client.example.net")
            for (sender, recipient, expected) in Self.replies {
                _ = try client.command("MAIL FROM:<\(sender)>")
                let reply = try client.command("RCPT TO:<\(recipient)@example.org>")
                #expect(reply.hasPrefix(expected), "\(sender) to \(recipient): \(reply) \(hub.log.suffix(1000))")
                _ = try client.command("RSET")
            }
            let message = Array("Subject: test\r\n\r\nBody\r\n".utf8)
            let sent = try client.message(
                from: "x@example.net",
                to: ["inner@example.org", "ann.other@example.org"],
                content: message
            )
            #expect(sent.hasPrefix("250"), "\(sent)")
            #expect(try hub.isDrained())
            #expect(["ann", "bob", "gone", "inner"].map { hub.mailbox($0).count } == [1, 1, 0, 0])
            let test = try hub.command("directory", "test", "outer@example.org", "--from", "carol@example.org")
            for part in ["members    2: ", "carol@example.org gets the reports", "accepted"] {
                #expect(test.output.contains(part), "\(test.output)")
            }
            if way == "domain" {
                let size = try hub.command("directory", "test", "ann@example.org").output
                #expect(size.contains("at most 1024 octets"), "\(size)")
            }
            domain.stop()
            for (recipient, expected) in [("carol.other", "451 4.4.3"), ("inner", "250"), ("new", "451 4.4.3")] {
                _ = try client.command("MAIL FROM:<x@example.net>")
                let reply = try client.command("RCPT TO:<\(recipient)@example.org>")
                #expect(reply.hasPrefix(expected), "\(recipient): \(reply)")
                _ = try client.command("RSET")
            }
            try domain.start()
            let isBack = try eventually {
                _ = try client.command("MAIL FROM:<x@example.net>")
                defer { _ = try? client.command("RSET") }
                return try client.command("RCPT TO:<new@example.org>").hasPrefix("550 5.1.1")
            }
            #expect(isBack)
            #expect(!hub.log.contains(Self.password))
        }
    }

    @Test("a domain controller takes no password without TLS, and the operator reads so; users log in by every name")
    func passwords() async throws {
        guard let domain = try await onThread({ try SambaDomain.start(Self.entries) }) else { return }
        try await onThread {
            let hub = try Self.hub(domain.folder.url, domain, urls: [domain.plainURL])
            try hub.start()
            let test = try hub.command("directory", "test", "ann@example.org").output
            #expect(test.contains("Strong(er) authentication required (8)"), "\(test)")
            #expect(test.contains("451 4.4.3"), "\(test)")
        }
        var settings = LDAPSettings(
            servers: [domain.url].compactMap { LDAPServer($0) },
            base: SambaDomain.base,
            profile: .activeDirectory
        )
        settings.authorities = domain.authorities
        settings.timeouts.tls = .seconds(60)
        settings.timeouts.bind = .seconds(60)
        settings.timeouts.search = .seconds(60)
        settings.timeouts.total = .seconds(120)
        settings.bind = .simple(name: "ann@ad.example.org", password: Self.password)
        let directory = try Entries.directory([domain.url]) { $0 = settings }
        let passwords = LDAPPasswords(settings: settings, directory: directory, threads: BindThreads(pool: .singleton))
        let addresses = Lookup.found(["bob@example.org", "bob@example.org", "bob.other@example.org"])
        for user in ["bob", "BOB@ad.example.org", "bob@example.org"] {
            #expect(await passwords.check(Self.password, of: user) == addresses, "\(user)")
        }
        for (user, password) in [("bob", "wrong"), ("gone", Self.password), ("nobody", Self.password), ("*", "x")] {
            #expect(await passwords.check(password, of: user) == .notFound, "\(user)")
        }
        // How a range of values is written.
        let some = DirectorySearch(
            base: Self.name("outer"),
            scope: .base,
            filter: .present("objectClass"),
            attributes: ["member;range=1-*"],
            limit: 1
        )
        guard case .found(let entries) = await directory.search(some) else {
            Issue.record("the group is not there")
            return
        }
        #expect(entries.map { $0["member;range=1-*"].count } == [2])
        directory.shutDown()
    }
}
