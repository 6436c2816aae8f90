import Foundation
import TestSupport
import Testing

@Suite("RFC 9325: testssl.sh finds nothing wrong", .serialized, .timeLimit(.minutes(5)))
struct TestSSLTests {
    /// What testssl.sh says of the certificate of a test, and of CBC suites that old peers need.
    private static let expected = ["LUCKY13", "BREACH"]

    @Test("protocols and vulnerabilities (S8314-4-01)", arguments: ["starttls", "implicit"])
    func scan(mode: String) async throws {
        try await onThread { try Self.scan(mode) }
    }

    private static func scan(_ mode: String) throws {
        guard let testssl = try Peer.find("testssl"), let scene = try TLSScene() else { return }
        try scene.hub.start()
        let target =
            mode == "starttls"
            ? ["-t", "smtp", "127.0.0.1:\(scene.hub.port)"] : ["127.0.0.1:\(scene.implicitPort)"]
        let (_, output) = try testssl.run(
            ["--quiet", "--color", "0", "--warnings", "off", "-n", "none", "-p", "-U"] + target
        )
        let lines = output.split(separator: "\n")
        for version in ["SSLv2", "SSLv3", "TLS 1", "TLS 1.1"] {
            #expect(lines.contains { $0.hasPrefix(" \(version) ") && $0.contains("not offered") }, "\(version)")
        }
        for version in ["TLS 1.2", "TLS 1.3"] {
            #expect(lines.contains { $0.hasPrefix(" \(version) ") && $0.contains(" offered (OK)") }, "\(version)")
        }
        let faults = lines.filter { line in
            (line.contains("VULNERABLE") || line.contains("NOT ok"))
                && !Self.expected.contains { line.contains($0) }
        }
        #expect(faults.isEmpty, "\(faults)")
        #expect(lines.contains { $0.contains("Client-Initiated Renegotiation") && $0.contains("not vulnerable") })
    }
}
