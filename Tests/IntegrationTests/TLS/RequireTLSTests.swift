import Foundation
import TestSupport
import Testing

@Suite("RFC 8689: REQUIRETLS and TLS-Required, from a client inside TLS to next hops of all kinds")
struct RequireTLSTests {
    /// A domain, its host, and how a message to it fares.
    struct Row {
        /// The domain's first label; its host is `mx-NAME`.
        let name: String
        /// The signed one, or the one that anybody can forge.
        var zone = "signed.test"
        var manner = NextHopServer.Manner.promise
        /// Which certificate the host shows: `good`, or `stranger`.
        var certificate = "good"
        /// Whether TLSA records name the certificate `good`.
        var hasTLSA = false
        /// The mode of the MTA-STS policy that lists the host.
        var policy: String?
        /// Whether MAIL has REQUIRETLS.
        var isRequired = true
        /// Whether the header section says `TLS-Required: No`.
        var isOptional = false
        /// How MAIL came; `nil` where it must not.
        let mail: String?
        /// Part of the log line of the outcome.
        let noted: String
    }

    static let rows = [
        Row(name: "dane", hasTLSA: true, mail: "tls MAIL REQUIRETLS", noted: "verified by DANE"),
        Row(name: "dnssec", mail: "tls MAIL REQUIRETLS", noted: "SHA384 verified"),
        Row(name: "sts", zone: "plain.test", policy: "enforce", mail: "tls MAIL REQUIRETLS", noted: "by MTA-STS"),
        Row(name: "trial", zone: "plain.test", policy: "testing", mail: "tls MAIL REQUIRETLS", noted: "by MTA-STS"),
        Row(name: "forgeable", zone: "plain.test", mail: nil, noted: "550 5.7.10"),
        Row(name: "stranger", certificate: "stranger", mail: nil, noted: "550 5.7.10"),
        Row(name: "mismatch", certificate: "stranger", hasTLSA: true, mail: nil, noted: "550 5.7.10"),
        Row(name: "plain", manner: .plain, mail: nil, noted: "550 5.7.10"),
        Row(name: "close", manner: .close, mail: nil, noted: "550 5.7.10"),
        Row(name: "nopromise", manner: .good, hasTLSA: true, mail: nil, noted: "550 5.7.30"),
        // The parameter outweighs the field.
        Row(name: "both", manner: .plain, isOptional: true, mail: nil, noted: "550 5.7.10"),
        Row(
            name: "nodane",
            manner: .plain,
            hasTLSA: true,
            isRequired: false,
            isOptional: true,
            mail: "clear MAIL",
            noted: "tls=none"
        ),
        Row(
            name: "nosts",
            zone: "plain.test",
            manner: .close,
            policy: "enforce",
            isRequired: false,
            isOptional: true,
            mail: "clear MAIL",
            noted: "tls=none"
        ),
        Row(
            name: "nocheck",
            manner: .good,
            certificate: "stranger",
            hasTLSA: true,
            isRequired: false,
            isOptional: true,
            mail: "tls MAIL",
            noted: "unverified"
        ),
        Row(name: "ordinary", hasTLSA: true, isRequired: false, mail: "tls MAIL", noted: "verified by DANE"),
    ]

    /// What the test has started.
    private struct Scene {
        let hub: HubProcess
        let names: NameServer
        let server: NextHopServer
        let policies: PolicyHostServer
        let hops: [NextHopServer.Hop]
        let python: Peer
        let folder: URL

        func stop() {
            self.server.stop()
            self.policies.stop()
            self.names.stop()
            self.hub.stop()
        }

        /// Sends a message inside TLS.
        func send(_ domain: String, from: String = "", isRequired: Bool = true, isOptional: Bool = false) throws {
            let program = """
                import smtplib, ssl, sys
                client = smtplib.SMTP("127.0.0.1", \(self.hub.port))
                client.starttls(context=ssl._create_unverified_context())
                client.ehlo()
                assert client.has_extn("requiretls"), client.esmtp_features
                options = ["RET=FULL"] + (["REQUIRETLS"] if sys.argv[3] == "required" else [])
                field = "TLS-Required: No\\r\\n" if sys.argv[4] == "optional" else ""
                content = "Subject: x\\r\\n%s\\r\\nsecret body\\r\\n" % field
                client.sendmail(sys.argv[1], [sys.argv[2]], content, options)
                client.quit()
                """
            let arguments = [
                "-c", program, from, "bob@\(domain)", isRequired ? "required" : "no", isOptional ? "optional" : "no",
            ]
            let ending = try self.python.run(arguments)
            #expect(ending.status == 0, "\(ending.output)")
        }

        /// Waits for the log line that tells what became of a message.
        func outcome(_ address: String) -> String {
            let domain = address.split(separator: "@").last.map(String.init) ?? ""
            var line: Substring?
            _ = eventually {
                line = self.hub.log.split(separator: "\n").first {
                    ($0.contains("to=\(address)") && $0.contains("attempt="))
                        || (address.hasPrefix("bob@") && $0.contains("destination failed")
                            && $0.contains("internet/\(domain)"))
                }
                return line != nil
            }
            return line.map(String.init) ?? "no outcome: \(self.hub.log.suffix(2000))"
        }
    }

    @Test("what is asked for, and what becomes of mail (S8689-4.2.1-01, S8689-4.1-01)")
    func requirements() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let scene = try Self.scene(directory.url) else { return }
            defer { scene.stop() }
            for (row, hop) in zip(Self.rows, scene.hops) {
                let domain = "\(row.name).\(row.zone)"
                try scene.send(domain, from: "ann@example.org", isRequired: row.isRequired, isOptional: row.isOptional)
                let line = scene.outcome("bob@\(domain)")
                #expect(line.contains(row.noted), "\(row.name): \(line)")
                let mail = scene.server.heard(at: hop).filter { $0.contains(" MAIL") }
                #expect(mail == [row.mail].compactMap(\.self), "\(row.name): \(line)")
            }
            try scene.send("second.signed.test", from: "ann@example.org")
            #expect(scene.outcome("bob@second.signed.test").contains("host=mx-dane.signed.test"))
            // Who does not answer may answer later.
            try scene.send("down.signed.test", from: "ann@example.org")
            #expect(scene.outcome("bob@down.signed.test").contains("451 4.4.1"))
            let listed = try scene.hub.command("queue", "list", "--destination", "internet/down.signed.test").output
            #expect(listed.contains("bob@down.signed.test"), "\(listed)")

            // S8689-5-01: who wants mail protected gets the header section back alone, though RET says FULL.
            let failed = Self.rows.filter { $0.isRequired && $0.mail == nil }.count
            #expect(eventually { scene.hub.mailbox("ann").count == failed })
            for message in scene.hub.mailbox("ann").map({ String(decoding: $0, as: UTF8.self) }) {
                #expect(message.contains("Status: 5.7.10") || message.contains("Status: 5.7.30"))
                #expect(message.contains("text/rfc822-headers") && !message.contains("secret body"), "\(message)")
            }
            // Notifications ask for the same where they can, and go all the same where they cannot.
            try scene.send("plain.signed.test", from: "ann@dane.signed.test")
            try scene.send("plain.signed.test", from: "ann@nopromise.signed.test")
            for name in ["dane", "nopromise"] {
                let line = scene.outcome("ann@\(name).signed.test")
                #expect(line.contains("verified by DANE"), "\(line)")
            }
            let dane = scene.server.heard(at: scene.hops[0]).filter { $0.contains(" MAIL") }
            #expect(dane == Array(repeating: "tls MAIL REQUIRETLS", count: 3), "\(dane)")
            let without = scene.server.heard(at: scene.hops[9]).filter { $0.contains(" MAIL") }
            #expect(without == ["tls MAIL"], "\(without)")
        }
    }

    private static func scene(_ folder: URL) throws -> Scene? {
        guard let authority = try TestAuthority(folder: folder.appending(path: "a")),
            let stranger = try TestAuthority(folder: folder.appending(path: "b"), name: "Stranger"),
            let python = try Peer.find("python3")
        else { return nil }
        let hosts = Self.rows.map { "DNS:mx-\($0.name).\($0.zone)" }
        let policyHosts = Self.rows.map { "DNS:mta-sts.\($0.name).\($0.zone)" }
        let good = try authority.issue("good", names: hosts)
        let other = try stranger.issue("stranger", names: hosts)
        let trusted = try authority.issue("policies", names: policyHosts)
        let own = try authority.issue("hub", names: ["DNS:hub.example.org"])
        let digest = try authority.digest(of: good.chain, selector: 1)
        let port = try freePort()
        var zones = ["signed.test": "ns A 127.0.0.1\n", "plain.test": "ns A 127.0.0.1\n"]
        var hops: [NextHopServer.Hop] = []
        var answers: [String: PolicyHostServer.Answer] = [:]
        for (index, row) in Self.rows.enumerated() {
            let address = "127.0.3.\(index + 1)"
            let certificate = row.certificate == "good" ? good : other
            hops.append(.init(manner: row.manner, certificate: certificate, port: port, address: address))
            var records = "\(row.name) MX 10 mx-\(row.name)\nmx-\(row.name) A \(address)\n"
            if row.hasTLSA { records += "_\(port)._tcp.mx-\(row.name) TLSA 3 1 1 \(digest)\n" }
            if let mode = row.policy {
                records += "mta-sts.\(row.name) A 127.0.0.1\n_mta-sts.\(row.name) TXT \"v=STSv1; id=1\"\n"
                let policy = "version: STSv1\nmode: \(mode)\nmx: mx-\(row.name).\(row.zone)\nmax_age: 86400\n"
                answers["mta-sts.\(row.name).\(row.zone)"] = .init(body: policy)
            }
            zones[row.zone, default: ""] += records
        }
        // The first host does not promise it, the second one does; the first one is down.
        zones["signed.test", default: ""] += "second MX 10 mx-nopromise\nsecond MX 20 mx-dane\n"
        zones["signed.test", default: ""] += "down MX 10 mx-down\nmx-down A 127.0.3.250\n"
        guard let names = try NameServer(folder: folder, zones: zones, signed: ["signed.test"]),
            let server = try NextHopServer(folder: folder, hops: hops),
            let policies = try PolicyHostServer(folder: folder, answers: answers, trusted: trusted, stranger: other)
        else { return nil }
        try names.start()
        let hub = try HubProcess(
            folder: folder,
            listener: ["tls": ["certificates": [["chain": own.chain, "key": own.key]]]],
            more: [
                "routes": [
                    "store": ["transport": "maildir", "directory": "maildir"],
                    "internet": ["transport": "smtp", "lookup": "mx", "authorities": authority.certificate],
                ],
                "defaultRoute": "internet", "delivery": ["port": port],
                "dns": ["servers": [names.server], "trustAnchor": names.trustAnchor.path],
                "mtaSTS": ["port": policies.port, "authorities": authority.certificate, "timeout": "5s"],
                "queue": ["directory": "queue", "retry": ["1h"]],
            ]
        )
        try hub.start()
        return Scene(
            hub: hub,
            names: names,
            server: server,
            policies: policies,
            hops: hops,
            python: python,
            folder: folder
        )
    }
}
