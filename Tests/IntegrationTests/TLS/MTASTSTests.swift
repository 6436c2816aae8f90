import Foundation
import TestSupport
import Testing

@Suite("RFC 8461: MTA-STS on the way out, with policy hosts behind a private authority")
struct MTASTSTests {
    /// A domain, its policy, its host, and how a message to it fares.
    struct Row {
        /// The domain's first label; its host is `mx-NAME`.
        let name: String
        var mode: String? = "enforce"
        /// `mx` of the policy; `nil` for the domain's own host.
        var hosts: [String]?
        var answer = PolicyHostServer.Answer()
        var texts = ["v=STSv1; id=1;"]
        /// Where its policy host is; nobody answers at any other address.
        var policyHost = "127.0.0.1"
        var manner = NextHopServer.Manner.good
        /// Which certificate the host shows: `good`, `other` (a name), `expired`, or `stranger`.
        var certificate = "good"
        /// Further records of the zone.
        var records = ""
        /// `tls` or `clear`: how MAIL came; `nil` where it must not.
        let mail: String?
        /// Part of the log line of the outcome.
        let noted: String
    }

    static let rows = [
        Row(name: "good", mail: "tls", noted: "verified by MTA-STS"),
        Row(name: "wildcard", hosts: ["*.signed.test"], mail: "tls", noted: "verified by MTA-STS"),
        Row(name: "deep", hosts: ["*.test"], mail: nil, noted: "451 4.7.5"),
        Row(name: "unlisted", hosts: ["mx.elsewhere.example"], mail: nil, noted: "451 4.7.5"),
        Row(name: "name", certificate: "other", mail: nil, noted: "mismatch"),
        Row(name: "expired", certificate: "expired", mail: nil, noted: "expired"),
        Row(name: "stranger", certificate: "stranger", mail: nil, noted: "451 4.7.5"),
        Row(name: "plain", manner: .plain, mail: nil, noted: "451 4.7.4"),
        Row(name: "close", manner: .close, mail: nil, noted: "451 4.7.5"),
        Row(name: "testing", mode: "testing", certificate: "stranger", mail: "tls", noted: "unverified"),
        Row(name: "testingplain", mode: "testing", manner: .plain, mail: "clear", noted: "tls=none"),
        Row(name: "none", mode: "none", certificate: "stranger", mail: "tls", noted: "unverified"),
        // Without a policy that can be had, it is as if there was none.
        Row(name: "notext", texts: [], certificate: "stranger", mail: "tls", noted: "unverified"),
        Row(
            name: "twotexts",
            texts: ["v=STSv1; id=1;", "v=STSv1; id=2;"],
            certificate: "stranger",
            mail: "tls",
            noted: "unverified"
        ),
        Row(name: "down", policyHost: "127.0.2.250", certificate: "stranger", mail: "tls", noted: "unverified"),
        Row(name: "large", answer: .init(padding: 100_000), certificate: "stranger", mail: "tls", noted: "unverified"),
        Row(name: "slow", answer: .init(delay: 20), certificate: "stranger", mail: "tls", noted: "unverified"),
        Row(name: "common", certificate: "common", mail: nil, noted: "mismatch"),  // a common name only
        Row(name: "cut", answer: .init(isCut: true), certificate: "stranger", mail: "tls", noted: "unverified"),
        Row(
            name: "unusabletlsa",
            certificate: "stranger",
            records: "_PORT._tcp.mx-unusabletlsa TLSA 0 0 1 \(String(repeating: "0", count: 64))\n",
            mail: nil,
            noted: "451 4.7.5"
        ),
        Row(name: "missing", answer: .init(status: 404), certificate: "stranger", mail: "tls", noted: "unverified"),
        Row(
            name: "redirect",
            answer: .init(status: 302, location: "https://mta-sts.good.signed.test/.well-known/mta-sts.txt"),
            certificate: "stranger",
            mail: "tls",
            noted: "unverified"
        ),
        Row(name: "type", answer: .init(type: "text/html"), certificate: "stranger", mail: "tls", noted: "unverified"),
        Row(name: "liar", answer: .init(isStranger: true), certificate: "stranger", mail: "tls", noted: "unverified"),
        Row(name: "nonsense", mode: nil, certificate: "stranger", mail: "tls", noted: "unverified"),
        // Its host passes the check of MTA-STS, and fails that of DANE.
        Row(
            name: "dane",
            records: "_PORT._tcp.mx-dane TLSA 3 1 1 \(String(repeating: "0", count: 64))\n",
            mail: nil,
            noted: "451 4.7.5"
        ),
    ]

    /// What the test has started.
    private struct Scene {
        let hub: HubProcess
        let names: NameServer
        let policies: PolicyHostServer
        let server: NextHopServer
        let hops: [NextHopServer.Hop]
        let client: SMTPTestClient

        /// Sends a message to a domain, and waits for the log line that tells what became of it.
        func outcome(_ domain: String) throws -> String {
            let before = self.lines(domain).count
            let reply = try self.client.message(
                from: "",
                to: ["bob@\(domain)"],
                content: Array("Subject: x\r\n\r\nhello\r\n".utf8)
            )
            #expect(reply.hasPrefix("250"))
            _ = eventually { self.lines(domain).count > before }
            return self.lines(domain).last.map(String.init) ?? "no outcome: \(self.hub.log.suffix(2000))"
        }

        private func lines(_ domain: String) -> [Substring] {
            self.hub.log.split(separator: "\n").filter {
                ($0.contains("bob@\(domain)") && $0.contains("attempt="))
                    || ($0.contains("destination failed") && $0.contains("destination=internet/\(domain) "))
            }
        }
    }

    @Test(
        "policies, hosts, and what becomes of mail (S8461-3.1-01, S8461-3.3-01, S8461-3.3-02, S8461-4.1-01, S8461-5-01, S8461-7.1-01, S8461-2-01)"
    )
    func policies() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let scene = try Self.scene(directory.url) else { return }
            defer {
                scene.server.stop()
                scene.names.stop()
                scene.hub.stop()
            }
            for (row, hop) in zip(Self.rows, scene.hops) {
                let line = try scene.outcome("\(row.name).signed.test")
                #expect(line.contains(row.noted), "\(row.name): \(line)")
                let mail = scene.server.heard(at: hop).filter { $0.hasSuffix(" MAIL") }
                #expect(mail == [row.mail].compactMap(\.self).map { "\($0) MAIL" }, "\(row.name): \(line)")
            }
            let heard = scene.server.heard(at: scene.hops[0])
            #expect(heard.contains("sni mx-good.signed.test"))
            #expect(scene.policies.asked.contains("mta-sts.good.signed.test /.well-known/mta-sts.txt"))
            // The policy names one of two hosts.
            let second = try scene.outcome("second.signed.test")
            #expect(second.contains("host=mx-good.signed.test") && second.contains("verified by MTA-STS"), "\(second)")

            let shown = try scene.hub.command("tls", "test", "second.signed.test")
            #expect(shown.status == 0)
            let lines = [
                "MTA-STS:      enforce, for 604800 s, hosts mx-good.signed.test",
                "mx-stranger.signed.test [127.0.2.7]:",
                "  verdict:      451 4.7.5 mx-stranger.signed.test: the MTA-STS policy of second.signed.test does not list",
                "  has:          no connection",
                "  needs:        TLS, with a trusted certificate for the host's name (MTA-STS)",
                "  certificate:  CN=good, until 20", "    names:      mx-good.signed.test, mx-wildcard.signed.test",
                "    issuer:     CN=Test authority", "\n\nmail goes to mx-good.signed.test, TLSv1.3",
            ]
            for line in lines { #expect(shown.output.contains(line), "\(line) in \(shown.output)") }
            #expect(try scene.hub.command("tls", "test", "plain.signed.test").status == 1)

            try Self.checkReports(scene.hub)

            // The domain is held to the policy that it once had: after a restart, without its TXT record and its policy host.
            let asked = scene.policies.asked.count
            scene.policies.stop()
            #expect(scene.hub.stop() == 0)
            try scene.names.replace(zone: "signed.test") { $0.replacingOccurrences(of: "v=STSv1", with: "v=gone") }
            try scene.hub.start()
            let client = try SMTPTestClient(port: scene.hub.port)
            _ = try client.expect("250", "EHLO c.example")
            let later = Scene(
                hub: scene.hub,
                names: scene.names,
                policies: scene.policies,
                server: scene.server,
                hops: scene.hops,
                client: client
            )
            #expect(try later.outcome("plain.signed.test").contains("451 4.7.4"))
            #expect(try later.outcome("good.signed.test").contains("verified by MTA-STS"))
            #expect(later.policies.asked.count == asked)
            let clear = zip(Self.rows, scene.hops).filter { $0.0.mode == "enforce" && $0.0.manner == .plain }
            #expect(clear.allSatisfy { !scene.server.heard(at: $0.1).contains("clear MAIL") })
            client.close()
        }
    }

    /// What the domains would be told (RFC 8460 section 4).
    private static func checkReports(_ hub: HubProcess) throws {
        /// Policy type, successes, failures, kind of failure.
        let expected = [
            "good": "sts 3 0 -", "unlisted": "sts 0 1 validation-failure", "name": "sts 0 1 certificate-host-mismatch",
            "expired": "sts 0 1 certificate-expired", "stranger": "sts 0 1 certificate-not-trusted",
            "plain": "sts 0 1 starttls-not-supported", "close": "sts 0 1 validation-failure",
            "testing": "sts 0 1 certificate-not-trusted", "testingplain": "sts 0 1 starttls-not-supported",
            "none": "no-policy-found 1 0 -", "notext": "no-policy-found 1 0 -",
            "large": "no-policy-found 0 1 sts-policy-fetch-error", "slow": "no-policy-found 0 1 sts-policy-fetch-error",
            "down": "no-policy-found 0 1 sts-policy-fetch-error",
            "missing": "no-policy-found 0 1 sts-policy-fetch-error", "type": "no-policy-found 0 1 sts-policy-invalid",
            "liar": "no-policy-found 0 1 sts-webpki-invalid", "dane": "tlsa 0 1 validation-failure",
            // Each policy has its own failure.
            "unusabletlsa": "tlsa 0 1 tlsa-invalid, sts 0 1 certificate-not-trusted",
        ]
        var found: [String: String] = [:]
        let isComplete = try eventually {
            found = [:]
            for line in try hub.command("tls", "reports").output.split(separator: "\n") {
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                let policies = object?["policies"] as? [[String: Any]] ?? []
                for entry in policies {
                    let policy = entry["policy"] as? [String: Any]
                    let summary = entry["summary"] as? [String: Any]
                    let details = entry["failure-details"] as? [[String: Any]]
                    let domain = (policy?["policy-domain"] as? String)?.split(separator: ".").first ?? ""
                    let parts: [Any?] = [
                        policy?["policy-type"], summary?["total-successful-session-count"],
                        summary?["total-failure-session-count"], details?.first?["result-type"] ?? "-",
                    ]
                    let text = parts.map { "\($0 ?? "?")" }.joined(separator: " ")
                    found[String(domain)] = found[String(domain)].map { "\($0), \(text)" } ?? text
                }
            }
            return found.count >= Self.rows.count
        }
        #expect(isComplete, "\(found.count)")
        for (name, text) in expected where name != "good" { #expect(found[name] == text, "\(name)") }
        // How often it was spoken to does not matter here.
        #expect(
            found["good"]?.hasPrefix("sts ") == true && found["good"]?.hasSuffix(" 0 -") == true,
            "\(found["good"] ?? "")"
        )
    }

    private static func scene(_ folder: URL) throws -> Scene? {
        guard let authority = try TestAuthority(folder: folder.appending(path: "a")),
            let stranger = try TestAuthority(folder: folder.appending(path: "b"), name: "Stranger")
        else { return nil }
        let hosts = Self.rows.map { "DNS:mx-\($0.name).signed.test" }
        let policyHosts = (Self.rows.map(\.name) + ["second"]).map { "mta-sts.\($0).signed.test" }
        let trusted = try authority.issue("policies", names: policyHosts.map { "DNS:\($0)" })
        let certificates = [
            "good": try authority.issue("good", names: hosts),
            "other": try authority.issue("other", names: ["DNS:elsewhere.example"]),
            "common": try authority.issue("mx-common.signed.test", names: []),
            "expired": try authority.issue("expired", names: hosts, isExpired: true),
            "stranger": try stranger.issue("stranger", names: hosts + policyHosts.map { "DNS:\($0)" }),
        ]
        let port = try freePort()
        var zone = "ns A 127.0.0.1\n"
        var hops: [NextHopServer.Hop] = []
        var answers: [String: PolicyHostServer.Answer] = [:]
        func policy(_ mode: String, _ hosts: [String]) -> String {
            let lines = ["version: STSv1", "mode: \(mode)"] + hosts.map { "mx: \($0)" } + ["max_age: 604800"]
            return lines.map { $0 + "\r\n" }.joined()
        }
        for (index, row) in Self.rows.enumerated() {
            guard let certificate = certificates[row.certificate] else { continue }
            let address = "127.0.2.\(index + 1)"
            hops.append(.init(manner: row.manner, certificate: certificate, port: port, address: address))
            zone +=
                "\(row.name) MX 10 mx-\(row.name)\nmx-\(row.name) A \(address)\nmta-sts.\(row.name) A \(row.policyHost)\n"
            zone += "_smtp._tls.\(row.name) TXT \"v=TLSRPTv1; rua=mailto:r@\(row.name).signed.test\"\n"
            for text in row.texts { zone += "_mta-sts.\(row.name) TXT \"\(text)\"\n" }
            zone += row.records.replacingOccurrences(of: "PORT", with: "\(port)")
            var answer = row.answer
            let hosts = row.hosts ?? ["mx-\(row.name).signed.test"]
            answer.body = row.mode.map { policy($0, hosts) } ?? "hello\r\n"
            answers["mta-sts.\(row.name).signed.test"] = answer
        }
        zone += "second MX 10 mx-stranger\nsecond MX 20 mx-good\nmta-sts.second A 127.0.0.1\n"
        zone += "_mta-sts.second TXT \"v=STSv1; id=1\"\n"
        answers["mta-sts.second.signed.test"] = .init(body: policy("enforce", ["mx-good.signed.test"]))
        guard let names = try NameServer(folder: folder, zones: ["signed.test": zone], signed: ["signed.test"]),
            let server = try NextHopServer(folder: folder, hops: hops),
            let policies = try PolicyHostServer(
                folder: folder,
                answers: answers,
                trusted: trusted,
                stranger: certificates["stranger"] ?? trusted
            )
        else { return nil }
        try names.start()
        let hub = try HubProcess(
            folder: folder,
            more: [
                "routes": [
                    "store": ["transport": "maildir", "directory": "maildir"],
                    "internet": ["transport": "smtp", "lookup": "mx", "authorities": authority.certificate],
                ],
                "defaultRoute": "internet", "delivery": ["port": port],
                "dns": ["servers": [names.server], "trustAnchor": names.trustAnchor.path],
                "mtaSTS": ["port": policies.port, "authorities": authority.certificate, "timeout": "3s"],
                "queue": ["directory": "queue", "retry": ["1h"]], "tlsReports": ["organization": "Example"],
            ]
        )
        try hub.start()
        let client = try SMTPTestClient(port: hub.port)
        _ = try client.expect("250", "EHLO c.example")
        return Scene(hub: hub, names: names, policies: policies, server: server, hops: hops, client: client)
    }
}
