import Foundation
import TestSupport
import Testing

@Suite("RFC 5782: blocklists asked of a real name server", .timeLimit(.minutes(2)))
struct BlocklistTests {
    /// Test entries, the one client of each family that is listed, and a domain.
    private static let clients = """
        2.0.0.127 A 127.0.0.2
        9.0.0.127 A 127.0.0.4
        9.0.0.127 TXT "listed for a test"
        2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 A 127.0.0.2
        1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 A 127.0.0.2
        """
    private static let domains = """
        test A 127.0.0.2
        spam.example A 127.0.0.2
        """

    @Test(
        "IPv4 and IPv6 clients and sender domains that are listed are refused, others are not; without the DNS, mail is taken"
    )
    func lists() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard
                let names = try NameServer(
                    folder: directory.url,
                    zones: ["bl.test": Self.clients, "doms.test": Self.domains]
                ),
                let swaks = try Peer.find("swaks")
            else { return }
            try names.start()
            let port6 = try freePort()
            let lists: [[String: Any]] = [["zone": "bl.test"], ["zone": "doms.test", "of": "senderDomain"]]
            let scenario = try Scenario(
                in: directory,
                more: [
                    "relayNetworks": [String](), "dns": ["servers": [names.server], "timeout": "2s"],
                    "plugins": [["plugin": "DNSBlocklists", "configuration": ["lists": lists]]],
                ]
            )
            try scenario.reconfigure { configuration in
                let listeners = configuration["listeners"] as? [[String: Any]] ?? []
                configuration["listeners"] = listeners + [["name": "six", "address": "::1", "port": port6]]
            }
            try scenario.hub.start()
            func send(from sender: String, by client: String, _ server: String, _ port: Int) throws -> String {
                let (_, output) = try swaks.run([
                    "--server", server, "--port", "\(port)", "--local-interface", client, "--from", sender,
                    "--to", "ann@example.org",
                ])
                return output
            }
            let port = scenario.hub.port
            let listed = try send(from: "a@good.example", by: "127.0.0.9", "127.0.0.1", port)
            #expect(listed.contains("<** 550 5.7.1 "), "\(listed)")
            guard !(try swaks.run(["--support"])).output.contains("*** IPv6 not available") else {
                throw PeerFailure("swaks has no IPv6: install libio-socket-inet6-perl")
            }
            let six = try send(from: "a@good.example", by: "::1", "::1", port6)
            #expect(six.contains("<** 550 5.7.1 "), "\(six)")
            let domain = try send(from: "a@spam.example", by: "127.0.0.8", "127.0.0.1", port)
            #expect(domain.contains("<** 550 5.7.1 "), "\(domain)")
            let other = try send(from: "a@good.example", by: "127.0.0.8", "127.0.0.1", port)
            #expect(other.contains("<-  250 2.0.0 Queued as "), "\(other)")
            names.stop()
            let blind = try send(from: "a@good.example", by: "127.0.0.7", "127.0.0.1", port)
            #expect(blind.contains("<-  250 2.0.0 Queued as "), "\(blind)")
        }
    }

    @Test(
        "A name server that takes questions and never answers: plugins that live without it do, within their time limit"
    )
    func silence() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let swaks = try Peer.find("swaks") else { return }
            let silent = try SilentServer()
            let scenario = try Scenario(
                in: directory,
                more: [
                    "relayNetworks": [String](), "dns": ["servers": ["127.0.0.1@\(silent.port)"]],
                    "plugins": [
                        [
                            "plugin": "DNSBlocklists", "timeout": "2s",
                            "configuration": [
                                "lists": [["zone": "bl.test"], ["zone": "doms.test", "of": "senderDomain"]]
                            ],
                        ],
                        ["plugin": "SenderDomain", "timeout": "2s", "configuration": ["unavailable": "take"]],
                    ],
                ]
            )
            try scenario.hub.start()
            let (_, output) = try swaks.run([
                "--server", "127.0.0.1", "--port", "\(scenario.hub.port)", "--from", "a@good.example", "--to",
                "ann@example.org",
            ])
            #expect(output.contains("<-  250 2.0.0 Queued as "), "\(output)")
        }
    }
}
