import Foundation
import TestSupport
import Testing

@Suite("RFC 7672: DANE on the way out, with a signed zone and a validating resolver")
struct DANETests {
    /// A domain, its host, and how a message to it fares.
    struct Row {
        /// The domain's first label, and that of its host.
        let name: String
        var zone = "signed.test"
        /// Whether the host is an alias of one in a zone that is not signed.
        var leadsOutside = false
        /// The host's TLSA records: `usage selector certificate`.
        var associations: [String] = []
        var manner = NextHopServer.Manner.good
        /// Which certificate the host shows.
        var certificate = "stranger"
        /// `"tlsDomains"`.
        var policy: String?
        /// `tls` or `clear`: how MAIL came; `nil` where it must not.
        let mail: String?
        /// Part of the log line of the outcome.
        let noted: String
    }

    static let rows = [
        // The record names the server's own key: neither the name nor the time nor the authority matter.
        Row(name: "ee", associations: ["3 1 expired"], certificate: "expired", mail: "tls", noted: "verified by DANE"),
        Row(name: "eewhole", associations: ["3 0 stranger"], mail: "tls", noted: "verified by DANE"),
        Row(name: "several", associations: ["3 1 other", "3 1 stranger"], mail: "tls", noted: "verified by DANE"),
        Row(name: "ta", associations: ["2 0 ca"], certificate: "ta", mail: "tls", noted: "verified by DANE"),
        Row(
            name: "tadomain",
            associations: ["2 1 ca"],
            certificate: "tadomain",
            mail: "tls",
            noted: "verified by DANE"
        ),
        Row(name: "taname", associations: ["2 0 ca"], certificate: "ta", mail: nil, noted: "451 4.7.5"),
        Row(name: "mismatch", associations: ["3 1 other"], mail: nil, noted: "451 4.7.5"),
        Row(name: "plain", associations: ["3 1 stranger"], manner: .plain, mail: nil, noted: "451 4.7.4"),
        Row(name: "refuse", associations: ["3 1 stranger"], manner: .refuse, mail: nil, noted: "451 4.7.4"),
        Row(name: "close", associations: ["3 1 stranger"], manner: .close, mail: nil, noted: "451 4.7.5"),
        Row(name: "unusable", associations: ["1 1 other"], mail: "tls", noted: "unverified"),
        Row(name: "unusableplain", associations: ["0 0 other"], manner: .plain, mail: nil, noted: "451 4.7.4"),
        Row(name: "without", mail: "tls", noted: "unverified"),
        Row(name: "withoutplain", manner: .plain, mail: "clear", noted: "tls=none"),
        Row(name: "bogus", associations: ["3 1 forged"], mail: nil, noted: "451 4.7.5"),
        // Who cannot sign, cannot publish: anybody could have written it.
        Row(name: "insecure", zone: "plain.test", associations: ["3 1 other"], mail: "tls", noted: "unverified"),
        Row(name: "must", policy: "dane", mail: nil, noted: "451 4.7.5"),
        Row(name: "musthave", associations: ["3 1 stranger"], policy: "dane", mail: "tls", noted: "verified by DANE"),
        Row(name: "none", associations: ["3 1 other"], policy: "none", mail: "clear", noted: "tls=none"),
        // The alias is signed: what is published beside it counts (RFC 7672 section 2.2.2).
        Row(
            name: "outside",
            leadsOutside: true,
            associations: ["3 1 stranger"],
            mail: "tls",
            noted: "verified by DANE"
        ),
        Row(name: "outsidebad", leadsOutside: true, associations: ["3 1 other"], mail: nil, noted: "451 4.7.5"),
        Row(name: "outsidenone", leadsOutside: true, manner: .plain, mail: "clear", noted: "tls=none"),
        Row(
            name: "outsideplain",
            zone: "plain.test",
            leadsOutside: true,
            associations: ["3 1 other"],
            mail: "tls",
            noted: "unverified"
        ),
    ]
    private static let forged = String(repeating: "f", count: 64)

    @Test(
        "what is published, what hosts show, and what becomes of mail (S7672-2.1-01, S7672-2.2-01, S7672-2.2.1-01, S7672-3.1.1-01, S7672-8.1-01)"
    )
    func associations() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let authority = try TestAuthority(folder: directory.url.appending(path: "a")),
                let stranger = try TestAuthority(folder: directory.url.appending(path: "b"), name: "Stranger")
            else { return }
            var certificates = [
                "stranger": try stranger.issue("stranger", names: ["DNS:elsewhere.example"]),
                "expired": try stranger.issue("expired", names: ["DNS:elsewhere.example"], isExpired: true),
                "other": try stranger.issue("other", names: ["DNS:elsewhere.example"]),
                "ta": try stranger.issue("ta", names: ["DNS:mx-ta.signed.test"]),
                "tadomain": try stranger.issue("tadomain", names: ["DNS:tadomain.signed.test"]),
            ]
            // Below a published authority, the server has to show that authority, too.
            for name in ["ta", "tadomain"] {
                guard let files = certificates[name] else { continue }
                let chain = directory.url.appending(path: "\(name)-chain.pem")
                let parts = try [files.chain, stranger.certificate].map { try Data(contentsOf: URL(filePath: $0)) }
                try parts.reduce(Data(), +).write(to: chain)
                certificates[name] = .init(chain: chain.path, key: files.key)
            }
            let port = try freePort()
            var zones = ["signed.test": "ns A 127.0.0.1\n", "plain.test": "ns A 127.0.0.1\n"]
            var hops: [NextHopServer.Hop] = []
            var policies: [String: Any] = [:]
            for (index, row) in Self.rows.enumerated() {
                guard let certificate = certificates[row.certificate] else { continue }
                let address = "127.0.1.\(index + 1)"
                hops.append(.init(manner: row.manner, certificate: certificate, port: port, address: address))
                var records = "\(row.name) MX 10 mx-\(row.name)\n"
                if row.leadsOutside {
                    records += "mx-\(row.name) CNAME host-\(row.name).plain.test.\n"
                    zones["plain.test", default: ""] += "host-\(row.name) A \(address)\n"
                } else {
                    records += "mx-\(row.name) A \(address)\n"
                }
                for association in row.associations {
                    let words = association.split(separator: " ").map(String.init)
                    let file = words[2] == "ca" ? stranger.certificate : certificates[words[2]]?.chain
                    let selector = Int(words[1]) ?? 0
                    let digest = try file.map { try stranger.digest(of: $0, selector: selector) } ?? Self.forged
                    records += "_\(port)._tcp.mx-\(row.name) TLSA \(words[0]) \(selector) 1 \(digest)\n"
                }
                zones[row.zone, default: ""] += records
                if let policy = row.policy { policies["\(row.name).\(row.zone)"] = policy }
            }
            // An alias of a host; the records are where it leads.
            zones["signed.test", default: ""] += "alias MX 10 mx-alias\nmx-alias CNAME mx-ee\n"
            // Somebody else's host, named by a zone that anybody can forge.
            zones["plain.test", default: ""] += "borrowed MX 10 mx-mismatch.signed.test.\n"
            // The first host fails the check, the second one passes.
            zones["signed.test", default: ""] += "second MX 10 mx-mismatch\nsecond MX 20 mx-ee\n"
            // The better host has no records: it stays the better one.
            zones["signed.test", default: ""] += "order MX 10 mx-without\norder MX 20 mx-ee\n"
            guard
                let names = try NameServer(
                    folder: directory.url,
                    zones: zones,
                    signed: ["signed.test"],
                    forged: [Self.forged: String(repeating: "e", count: 64)]
                ), let server = try NextHopServer(folder: directory.url, hops: hops)
            else { return }
            defer { server.stop() }
            try names.start()
            defer { names.stop() }
            let hub = try HubProcess(
                folder: directory.url,
                more: [
                    "routes": [
                        "store": ["transport": "maildir", "directory": "maildir"],
                        "internet": [
                            "transport": "smtp", "lookup": "mx", "authorities": authority.certificate,
                            "tlsDomains": policies,
                        ],
                    ],
                    "defaultRoute": "internet", "delivery": ["port": port],
                    "dns": ["servers": [names.server], "trustAnchor": names.trustAnchor.path],
                    "queue": ["directory": "queue", "retry": ["1h"]],
                ]
            )
            try hub.start()
            let client = try SMTPTestClient(port: hub.port)
            _ = try client.expect("250", "EHLO c.example")
            func outcome(_ domain: String) throws -> String {
                let reply = try client.message(
                    from: "",
                    to: ["bob@\(domain)"],
                    content: Array("Subject: x\r\n\r\nhello\r\n".utf8)
                )
                #expect(reply.hasPrefix("250"))
                var line: Substring?
                _ = eventually {
                    line = hub.log.split(separator: "\n").first {
                        ($0.contains("bob@\(domain)") && $0.contains("attempt="))
                            || ($0.contains("destination failed") && $0.contains("destination=internet/\(domain) "))
                    }
                    return line != nil
                }
                return line.map(String.init) ?? "no outcome: \(hub.log.suffix(2000))"
            }
            for (row, hop) in zip(Self.rows, hops) {
                let line = try outcome("\(row.name).\(row.zone)")
                #expect(line.contains(row.noted), "\(row.name): \(line)")
                let mail = server.heard(at: hop).filter { $0.hasSuffix(" MAIL") }
                #expect(mail == [row.mail].compactMap(\.self).map { "\($0) MAIL" }, "\(row.name): \(line)")
            }
            #expect(try outcome("alias.signed.test").contains("verified by DANE"))
            let ee = server.heard(at: hops[0])
            #expect(ee.filter { $0.hasPrefix("sni ") } == Array(repeating: "sni mx-ee.signed.test", count: 2), "\(ee)")
            #expect(try outcome("order.signed.test").contains("host=mx-without.signed.test"))
            #expect(try outcome("borrowed.plain.test").contains("unverified"))
            let second = try outcome("second.signed.test")
            #expect(second.contains("verified by DANE") && second.contains("host=mx-ee.signed.test"), "\(second)")
            client.close()
            let shown = try hub.command("tls", "test", "second.signed.test")
            #expect(shown.status == 0)
            let lines = [
                "destination:  internet/second.signed.test\npolicy:       may\nMTA-STS:      none\n",
                "mx-mismatch.signed.test [127.0.1.7]:\(port)\n  TLSA:         3 1 1 ",
                "  needs:        TLS, with a certificate that matches a TLSA record (DANE)",
                // What it has is shown, though it is not what was asked for.
                "  certificate:  CN=stranger, until 20", "  verdict:      451 4.7.5 mx-mismatch.signed.test: ",
                "\n\nmail goes to mx-ee.signed.test, TLSv1.3 TLS_AES_256_GCM_SHA384 verified by DANE\n",
            ]
            for line in lines { #expect(shown.output.contains(line), "\(line) in \(shown.output)") }
            let mismatch = try hub.command("tls", "test", "mismatch.signed.test", "--json")
            #expect(mismatch.status == 1 && mismatch.output.contains("\"isDeliverable\":false"))
            let host = try hub.command("tls", "test", "mx-ee.signed.test:\(port)")
            #expect(host.status == 0 && host.output.contains("verified by DANE"), "\(host.output)")
            #expect(try hub.command("tls", "test", "no domain").output.contains("neither a domain nor a host"))
            #expect(try hub.command("tls", "test", "gone.signed.test").output.contains("mail fails: 550 5.1.2"))
            #expect(try hub.command("tls", "test", "example.org").output.contains("goes into a Maildir"))
            hub.stop()
        }
    }
}
