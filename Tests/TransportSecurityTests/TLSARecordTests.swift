import Foundation
import TestSupport
import Testing
import TransportSecurity

@Suite("RFC 7672 section 3.1: which TLSA records SMTP can use")
struct TLSARecordTests {
    @Test(
        "usages, selectors and digests",
        arguments: [
            ([2, 0, 1], 32, true), ([3, 1, 1], 32, true), ([3, 1, 2], 64, true), ([3, 1, 1], 31, false),
            ([3, 1, 2], 32, false),
            ([0, 0, 1], 32, false), ([1, 1, 1], 32, false), ([4, 1, 1], 32, false), ([3, 2, 1], 32, false),
            ([3, 1, 3], 32, false), ([3, 0, 0], 1, false), ([3, 1, 0], 300, false), ([2, 0, 0], 2000, false),
        ] as [([UInt8], Int, Bool)]
    )
    func usable(_ head: [UInt8], _ length: Int, _ isUsable: Bool) throws {
        let record = try #require(TLSARecord(data: head + [UInt8](repeating: 0x30, count: length)))
        #expect(record.isUsable == isUsable)
    }

    @Test("a whole certificate is one, and no octet more or less")
    func whole() async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let text = try String(contentsOfFile: certificates.ecdsa.chain, encoding: .utf8)
        let lines = text.split(separator: "\n").drop { !$0.hasPrefix("-----BEGIN") }.dropFirst()
            .prefix { !$0.hasPrefix("-----END") }
        let certificate = [UInt8](try #require(Data(base64Encoded: lines.joined())))
        func isUsable(_ head: [UInt8], _ data: [UInt8]) -> Bool { TLSARecord(data: head + data)?.isUsable == true }
        for usage in [2, 3] as [UInt8] {
            #expect(isUsable([usage, 0, 0], certificate))
            #expect(!isUsable([usage, 0, 0], certificate + [0]))
            #expect(!isUsable([usage, 0, 0], certificate.dropLast()))
            #expect(!isUsable([usage, 1, 0], certificate))
        }
    }
}
