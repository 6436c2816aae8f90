import Foundation
import TestSupport
import Testing
import TransportSecurity

@Suite("RFC 6066 section 3 and RFC 7468: which certificate is shown, and files that cannot be used")
struct CertificateTests {
    @Test(
        "the certificate fits the name that the client asks for",
        arguments: [
            ("a.example", "ecdsa"), ("b.example", "other"), ("B.EXAMPLE", "other"), ("mx.c.example", "wildcard"),
            ("c.example", "ecdsa"), ("unknown.example", "ecdsa"), (nil, "ecdsa"),
        ]
    )
    func choice(name: String?, shown: String) async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let server = try ServerTLS(certificates.ecdsa, certificates.rsa, certificates.other, certificates.wildcard)
        let expectation = TLSExpectation(
            serverName: name,
            identities: ["any.example"],
            isVerified: false,
            sessionKey: "choice"
        )
        let pair = try TLSPair(server, ClientTLS(authorities: certificates.authority.certificate), expectation)
        try pair.connect()
        #expect(pair.client.recorder.facts?.peer?.commonName == shown)
        let client = pair.client.handler.channelBindings(.serverEndPoint)
        #expect(client == pair.server.handler.channelBindings(.serverEndPoint) && client.count == 1)
    }

    @Test("changed files are used for new connections; old ones go on")
    func reload() async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let folder = try TemporaryDirectory()
        let chain = folder.url.appending(path: "c.pem")
        let key = folder.url.appending(path: "k.pem")
        func install(_ files: TestAuthority.Files) throws {
            for (from, to) in [(files.chain, chain), (files.key, key)] {
                try Data(contentsOf: URL(filePath: from)).write(to: to, options: .atomic)
            }
        }
        try install(certificates.ecdsa)
        let server = try ServerTLS(
            ServerTLSSettings(certificates: [CertificateFiles(chain: chain.path, key: key.path)])
        )
        let client = try ClientTLS(authorities: certificates.authority.certificate)
        let old = try TLSPair(server, client, .name("a.example"))
        try old.connect()
        guard case .unchanged = server.reloadIfChanged() else {
            Issue.record("nothing has changed")
            return
        }
        // Half of a change: the certificate is kept, and the failure told once.
        try Data(contentsOf: URL(filePath: certificates.other.chain)).write(to: chain, options: .atomic)
        guard case .failed(let problems) = server.reloadIfChanged() else {
            Issue.record("the key does not belong to the certificate")
            return
        }
        #expect("\(problems)".contains("does not belong to the first certificate"))
        guard case .unchanged = server.reloadIfChanged() else {
            Issue.record("told twice")
            return
        }
        let between = try TLSPair(server, client, .name("a.example"))
        try between.connect()
        #expect(between.client.recorder.facts?.peer?.commonName == "ecdsa")

        try install(certificates.other)
        guard case .reloaded = server.reloadIfChanged() else {
            Issue.record("not reloaded")
            return
        }
        let new = try TLSPair(server, client, .name("b.example"))
        try new.connect()
        #expect(new.client.recorder.facts?.peer?.commonName == "other")
        old.client.send("NOOP\r\n")
        try old.pump()
        #expect(old.server.text == "NOOP\r\n")
    }

    /// Files, and what is said about them.
    struct BadFiles: CustomTestStringConvertible {
        let testDescription: String
        let chain: String
        let key: String
        let message: String
    }

    static let badFiles = [
        BadFiles(testDescription: "no chain", chain: "none.pem", key: "good.key", message: "No such file"),
        BadFiles(testDescription: "no key", chain: "good.pem", key: "none.key", message: "No such file"),
        BadFiles(testDescription: "empty chain", chain: "empty", key: "good.key", message: "has no certificate"),
        BadFiles(testDescription: "key as chain", chain: "good.key", key: "good.key", message: "has no certificate"),
        BadFiles(testDescription: "cut chain", chain: "cut.pem", key: "good.key", message: "malformed certificate"),
        BadFiles(testDescription: "empty key", chain: "good.pem", key: "empty", message: "no usable private key"),
        BadFiles(testDescription: "chain as key", chain: "good.pem", key: "good.pem", message: "no usable private key"),
        BadFiles(testDescription: "another key", chain: "good.pem", key: "other.key", message: "does not belong"),
        BadFiles(testDescription: "passphrase", chain: "good.pem", key: "locked.key", message: "passphrase"),
        BadFiles(testDescription: "a folder", chain: "good.pem", key: ".", message: "Is a directory"),
    ]

    @Test(arguments: Self.badFiles)
    func refusal(of files: BadFiles) async throws {
        guard let certificates = try await TestCertificates.make(), let openssl = try Peer.find("openssl") else {
            return
        }
        let folder = try TemporaryDirectory()
        let good = try String(contentsOfFile: certificates.ecdsa.chain, encoding: .utf8)
        let contents = [
            "good.pem": good,
            "cut.pem": good.replacingOccurrences(of: "\nMII", with: "\nXII"),
            "good.key": try String(contentsOfFile: certificates.ecdsa.key, encoding: .utf8),
            "other.key": try String(contentsOfFile: certificates.other.key, encoding: .utf8),
            "empty": "",
        ]
        for (name, text) in contents { try Data(text.utf8).write(to: folder.url.appending(path: name)) }
        let locked = folder.url.appending(path: "locked.key").path
        let key = certificates.ecdsa.key
        let (status, output) = try await onThread {
            try openssl.run(["pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked])
        }
        try #require(status == 0, "\(output)")
        do {
            _ = try ServerTLS(
                ServerTLSSettings(certificates: [
                    CertificateFiles(
                        chain: folder.url.appending(path: files.chain).path,
                        key: folder.url.appending(path: files.key).path
                    )
                ])
            )
            Issue.record("taken")
        } catch {
            #expect("\(error)".contains(files.message))
        }
    }

    @Test("authorities that cannot be used")
    func badAuthorities() async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        #expect(throws: TLSFileProblem.self) { try ClientTLS(authorities: "/nowhere/ca.pem") }
        #expect(throws: TLSFileProblem.self) { try ClientTLS(authorities: certificates.ecdsa.key) }
        #expect(throws: ServerTLSProblems.self) {
            try ServerTLS(certificates.ecdsa) { $0.clientCertificates = .request }
        }
        _ = try ClientTLS(authorities: nil)
    }
}
