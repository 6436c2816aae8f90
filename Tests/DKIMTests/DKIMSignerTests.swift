import Foundation
import NIOCore
import SMTP
import TestSupport
import Testing
import TransportSecurity

@testable import DKIM

@Suite("RFC 6376: messages are signed so that others verify them")
struct DKIMSignerTests {
    @Test(
        "section 3.4.2: header fields, relaxed",
        arguments: [
            ("A: X\r\n", "a:X"), ("B : Y\t\r\n\tZ  \r\n", "b:Y Z"), ("Subject:\r\n  folded\r\n", "subject:folded"),
            ("Empty:\r\n", "empty:"), ("Spaces:  \t \r\n", "spaces:"), ("C:a:b", "c:a:b"),
            ("MiXeD: Kept As Is", "mixed:Kept As Is"),
        ]
    )
    func fields(_ raw: String, _ expected: String) {
        #expect(Relaxed.field(raw.utf8).map { String(decoding: $0, as: UTF8.self) } == expected)
    }

    @Test("section 3.4.2: a line without a colon is no field") func noField() {
        #expect(Relaxed.field("abc\r\n".utf8) == nil)
    }

    @Test(
        "section 3.4.4: bodies, relaxed",
        arguments: [
            (" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"), ("", ""), ("\r\n", ""), ("\r\n\r\n", ""), ("a", "a\r\n"),
            ("a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"), ("a\r\n  \r\n\t\r\n", "a\r\n"), ("\r\na\r\n", "\r\na\r\n"),
            ("x\t\t y", "x y\r\n"),
        ]
    )
    func bodies(_ raw: String, _ expected: String) {
        #expect(String(decoding: Relaxed.body(raw.utf8), as: UTF8.self) == expected)
    }

    /// Verifies each message on its command line: `pass`, or what is wrong.
    private static let verifier = """
        import sys, dkim
        record = open(sys.argv[1], "rb").read()
        name = sys.argv[2].encode() + b"."
        for path in sys.argv[3:]:
            try:
                found = dkim.DKIM(open(path, "rb").read())
                print("pass" if found.verify(dnsfunc=lambda n, timeout=5: record if n == name else None) else "fail")
            except dkim.DKIMException as error:
                print(type(error).__name__)
        """

    private static let messages = [
        "From: a@example.org\r\nTo: b@example.net\r\nSubject: plain\r\n\r\nHello\r\n",
        "from: A  <a@example.org>\r\nSubject: two\r\n  lines\r\nSubject: again\r\nMIME-Version: 1.0\r\n\r\n\r\n x \t y \r\n\r\n\r\n",
        "From: a@example.org\r\nTLS-Required: No\r\n\r\n", "From: a@example.org\r\n\r\nbody without end",
        "From: a@example.org\r\nSubject: \(String(repeating: "long ", count: 500))\r\n\r\n\(String(repeating: "x\r\n", count: 9000))",
    ]

    @Test(
        "S6376-3.7-01 S6376-5.4-01: a verifier of somebody else takes signatures, and none of what was changed behind them",
        arguments: SigningKey.Algorithm.allCases
    )
    func verified(_ algorithm: SigningKey.Algorithm) throws {
        guard let openssl = try Peer.find("openssl"), let python = try Peer.find("python3") else { return }
        let folder = try TemporaryDirectory()
        func path(_ name: String) -> String { folder.url.appending(path: name).path }
        let kind = algorithm == .rsa ? ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] : ["ED25519"]
        #expect(try openssl.run(["genpkey", "-algorithm"] + kind + ["-out", path("key.pem")]).status == 0)
        let signer = DKIMSigner(
            domain: try #require(Domain("example.org")),
            selector: try #require(Domain("2026")),
            key: try SigningKey(path: path("key.pem"))
        )
        #expect(signer.record.name == "2026._domainkey.example.org")
        try Data(signer.record.text.utf8).write(to: folder.url.appending(path: "record"))
        var files: [String] = []
        var expected: [String] = []
        func add(_ message: [UInt8], _ outcome: String) throws {
            files.append(path("\(files.count).eml"))
            expected.append(outcome)
            try Data(message).write(to: URL(filePath: files[files.count - 1]))
        }
        for text in Self.messages {
            let signed = try signer.signed(Array(text.utf8), at: Timestamp(milliseconds: 1_790_000_000_000))
            #expect(String(decoding: signed, as: UTF8.self).hasSuffix(text))
            try add(signed, "pass")
            // RFC 5322 section 2.1.1: what the signer writes is never longer than it should be.
            let own = signed.prefix(signed.count - text.utf8.count)
            #expect(own.split(separator: 0x0A).allSatisfy { $0.count <= 79 })
        }
        let signed = try signer.signed(Array(Self.messages[0].utf8), at: Timestamp(milliseconds: 0))
        let text = String(decoding: signed, as: UTF8.self)
        for (from, to, outcome) in [
            ("Subject: plain", "Subject:  plain", "pass"), ("Hello", "Hallo", "ValidationError"),
            ("Subject: plain", "Subject: other", "fail"), ("To: b@", "To: c@", "fail"),
            // Another From would be what the reader sees.
            ("From: a@example.org", "From: a@example.org\r\nFrom: eve@example.net", "fail"),
        ] { try add(Array(text.replacing(from, with: to).utf8), outcome) }
        try Data(Self.verifier.utf8).write(to: folder.url.appending(path: "verify.py"))
        let ran = try python.run([path("verify.py"), path("record"), signer.record.name] + files)
        guard !ran.output.contains("No module named 'dkim'") else {
            #expect(
                ProcessInfo.processInfo.environment["MAILHUB_REQUIRE_PEERS"] == nil,
                "python3-dkim is not installed"
            )
            print("skipped: python3-dkim is not installed")
            return
        }
        #expect(ran.output.split(separator: "\n").map(String.init) == expected, "\(ran.output)")
    }

    @Test("section 3.5: names are written as A-labels")
    func internationalised() throws {
        guard let openssl = try Peer.find("openssl") else { return }
        let folder = try TemporaryDirectory()
        let path = folder.url.appending(path: "key.pem").path
        _ = try openssl.run(["genpkey", "-algorithm", "ED25519", "-out", path])
        let signer = DKIMSigner(
            domain: try #require(Domain("Bücher.example")),
            selector: try #require(Domain("schlüssel")),
            key: try SigningKey(path: path)
        )
        #expect(signer.record.name == "xn--schlssel-95a._domainkey.xn--bcher-kva.example")
        let signed = try signer.signed(Array(Self.messages[0].utf8), at: Timestamp(milliseconds: 0))
        let text = String(decoding: signed, as: UTF8.self)
        #expect(text.contains("\td=xn--bcher-kva.example; s=xn--schlssel-95a; t=0;"))
    }

    @Test(
        "RFC 8301 section 3.2: files that hold no key for this say so",
        arguments: [
            (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:512"], "is an RSA key of 512 bits"),
            (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "is neither an RSA key nor an Ed25519 key"),
        ]
    )
    func unusable(_ options: [String], _ problem: String) throws {
        guard let openssl = try Peer.find("openssl") else { return }
        let folder = try TemporaryDirectory()
        let path = folder.url.appending(path: "key.pem").path
        _ = try openssl.run(["genpkey"] + options + ["-out", path])
        do throws(TLSFileProblem) {
            _ = try SigningKey(path: path)
            Issue.record("taken")
        } catch {
            #expect(error.message == problem)
        }
    }
}
