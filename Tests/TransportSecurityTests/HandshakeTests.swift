import Foundation
import NIOCore
import NIOEmbedded
import TestSupport
import Testing
import TransportSecurity

@Suite("RFC 8446 and RFC 5246: handshakes, in memory")
struct HandshakeTests {
    /// What a client meets, and what it makes of it.
    struct Meeting: CustomTestStringConvertible {
        let testDescription: String
        let server: @Sendable (TestCertificates) throws -> ServerTLS
        let expectation: TLSExpectation
        /// Part of the client's failure; `nil` for success.
        var failure: String?
        /// Part of the reason why the certificate was not trusted, where the handshake succeeds all the same.
        var doubt: String?
    }

    static let meetings = [
        Meeting(
            testDescription: "trusted, and for the name",
            server: { try ServerTLS($0.ecdsa) },
            expectation: .name("a.example")
        ),
        Meeting(
            testDescription: "for the address",
            server: { try ServerTLS($0.ecdsa) },
            expectation: TLSExpectation(
                serverName: nil,
                identities: ["127.0.0.1"],
                isVerified: true,
                sessionKey: "address"
            )
        ),
        Meeting(
            testDescription: "one of several names is enough",
            server: { try ServerTLS($0.ecdsa) },
            expectation: TLSExpectation(
                serverName: "mx.example",
                identities: ["mx.example", "a.example"],
                isVerified: true,
                sessionKey: "several"
            )
        ),
        Meeting(
            testDescription: "a wildcard stands for one label (RFC 6125 section 6.4.3)",
            server: { try ServerTLS($0.wildcard) },
            expectation: .name("mx.c.example")
        ),
        Meeting(
            testDescription: "a wildcard does not stand for two labels",
            server: { try ServerTLS($0.wildcard) },
            expectation: .name("a.mx.c.example"),
            failure: "ostname mismatch"
        ),
        Meeting(
            testDescription: "expired",
            server: { try ServerTLS($0.expired) },
            expectation: .name("a.example"),
            failure: "expired"
        ),
        Meeting(
            testDescription: "wrong name",
            server: { try ServerTLS($0.other) },
            expectation: .name("a.example"),
            failure: "ostname mismatch"
        ),
        Meeting(
            testDescription: "unknown authority",
            server: { try ServerTLS($0.unknown) },
            expectation: .name("a.example"),
            failure: "unable to get local issuer"
        ),
        Meeting(
            testDescription: "expired, opportunistic",
            server: { try ServerTLS($0.expired) },
            expectation: .name("a.example", isVerified: false),
            doubt: "expired"
        ),
        Meeting(
            testDescription: "wrong name, opportunistic",
            server: { try ServerTLS($0.other) },
            expectation: .name("a.example", isVerified: false),
            doubt: "ostname mismatch"
        ),
        Meeting(
            testDescription: "unknown authority, opportunistic",
            server: { try ServerTLS($0.unknown) },
            expectation: .name("a.example", isVerified: false),
            doubt: "unable to get local issuer"
        ),
    ]

    @Test(arguments: Self.meetings)
    func verification(_ meeting: Meeting) async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let client = try ClientTLS(authorities: certificates.authority.certificate)
        let pair = try TLSPair(meeting.server(certificates), client, meeting.expectation)
        try pair.connect()
        if let failure = meeting.failure {
            guard case .untrusted(let reason) = pair.client.recorder.failure else {
                Issue.record("no failure: \(String(describing: pair.client.recorder.failure))")
                return
            }
            #expect(reason.description.contains(failure))
            #expect(pair.client.recorder.facts == nil)
            #expect(!pair.client.channel.isActive)
            #expect(pair.server.recorder.failure != nil, "the alert tells the server")
        } else {
            let facts = try #require(pair.client.recorder.facts, "\(String(describing: pair.client.recorder.failure))")
            switch (meeting.doubt, facts.verification) {
            case (nil, .verified): break
            case (.some(let doubt), .failed(let reason)): #expect(reason.description.contains(doubt))
            case (_, let other): Issue.record("\(other)")
            }
            #expect(facts.version == "TLSv1.3")
            #expect(facts.cipherSuite == "TLS_AES_128_GCM_SHA256")
            #expect(pair.server.recorder.facts?.serverName == meeting.expectation.serverName)
        }
        _ = try? pair.client.channel.finish(acceptAlreadyClosed: true)
        _ = try? pair.server.channel.finish(acceptAlreadyClosed: true)
    }

    @Test("octets pass both ways, however the records are cut", arguments: [1, 7, 1000, Int.max])
    func cutRecords(pieces: Int) async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let pair = try TLSPair(
            ServerTLS(certificates.ecdsa),
            ClientTLS(authorities: certificates.authority.certificate),
            .name("a.example")
        )
        try pair.server.connect()
        try pair.client.connect()
        pair.server.send("220 early\r\n")  // written before the handshake: waits
        try pair.pump(pieces: pieces)
        #expect(pair.client.text == "220 early\r\n")
        pair.client.send("EHLO c.example\r\n")
        try pair.pump(pieces: pieces)
        #expect(pair.server.text == "EHLO c.example\r\n")
        #expect(
            pair.client.handler.channelBindings(.exporter) == pair.server.handler.channelBindings(.exporter)
        )
        #expect(pair.client.handler.channelBindings(.exporter).first?.count == 32)
        #expect(pair.client.handler.channelBindings(.serverEndPoint).first?.count == 32)
        #expect(
            pair.client.handler.channelBindings(.serverEndPoint) == pair.server.handler.channelBindings(.serverEndPoint)
        )
        pair.client.channel.close(promise: nil)
        try pair.pump(pieces: pieces)
        #expect(pair.server.recorder.isClosedCleanly == true)
    }

    @Test("10 MB arrive octet by octet as they were sent")
    func bulk() async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let pair = try TLSPair(
            ServerTLS(certificates.ecdsa),
            ClientTLS(authorities: certificates.authority.certificate),
            .name("a.example")
        )
        try pair.connect()
        var state: UInt32 = 1
        let content = ByteBuffer(
            bytes: (0..<(10 << 20)).map { _ -> UInt8 in
                state = state &* 1_664_525 &+ 1_013_904_223
                return UInt8(truncatingIfNeeded: state >> 24)
            }
        )
        var rest = content
        var size = 1
        while let piece = rest.readSlice(length: min(size, rest.readableBytes)), piece.readableBytes > 0 {
            let written = pair.client.channel.eventLoop.makePromise(of: Void.self)
            pair.client.channel.writeAndFlush(piece, promise: written)
            try pair.pump(pieces: 65536)
            try await written.futureResult.get()
            size = min(size * 3, 700_000)
        }
        #expect(pair.server.recorder.received == content)
    }

    @Test("a session is resumed, once with each ticket, and only with the same expectation")
    func resumption() async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        for version in TLSVersion.allCases {
            let server = try ServerTLS(certificates.ecdsa, certificates.rsa)
            let client = try ClientTLS(authorities: certificates.authority.certificate)
            var resumed: [Bool] = []
            for expectation in [
                TLSExpectation.name("a.example"), .name("a.example"), .name("a.example", isVerified: false),
            ] {
                var expectation = expectation
                if !expectation.isVerified { expectation.sessionKey = "another" }
                let pair = try TLSPair(server, client, expectation)
                try pair.connect()
                pair.server.send("220\r\n")
                try pair.pump()
                resumed.append(try #require(pair.client.recorder.facts).isResumed)
                #expect(pair.client.recorder.facts?.verification == .verified)
                #expect(pair.server.recorder.facts?.isResumed == resumed.last)
                // Of a resumed session the server cannot tell the certificate.
                let shown = try #require(pair.client.handler.channelBindings(.serverEndPoint).first)
                #expect(pair.server.handler.channelBindings(.serverEndPoint).contains(shown))
                pair.client.channel.close(promise: nil)
                try pair.pump()
            }
            #expect(resumed == [false, true, false], "\(version)")
        }
    }

    @Test("client certificates: asked for, required, and told who it is")
    func clientCertificates() async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let server = try ServerTLS(certificates.ecdsa) {
            $0.clientCertificates = .require
            $0.clientAuthorities = certificates.authority.certificate
        }
        let pair = try TLSPair(
            server,
            ClientTLS(authorities: certificates.authority.certificate),
            .name("a.example")
        )
        try pair.connect()
        guard case .protocolError(let reason) = pair.server.recorder.failure else {
            Issue.record("a client without a certificate was let in")
            return
        }
        #expect(reason.description.contains("peer did not return a certificate"))
        let identity = try ClientCertificate(CertificateFiles(certificates.other))
        let client = try ClientTLS(authorities: certificates.authority.certificate, certificate: identity)
        for isVerified in [true, false] {
            var expectation = TLSExpectation.name("a.example", isVerified: isVerified)
            expectation.sessionKey = "\(isVerified)"
            let known = try TLSPair(server, client, expectation)
            try known.connect()
            #expect(known.server.recorder.facts?.peer?.commonName == "other")
            #expect(known.server.recorder.facts?.verification == .verified)
        }
    }

    @Test(
        "a client's certificate is read again when its files change; what cannot be used is told once, and changes nothing"
    )
    func clientCertificateReload() async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let folder = try TemporaryDirectory()
        let files = CertificateFiles(
            chain: folder.url.appending(path: "chain.pem").path,
            key: folder.url.appending(path: "key.pem").path
        )
        func write(_ chain: String, _ key: String) throws {
            for (from, to) in [(chain, files.chain), (key, files.key)] {
                try Data(contentsOf: URL(filePath: from)).write(to: URL(filePath: to), options: .atomic)
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: to)
            }
        }
        try write(certificates.ecdsa.chain, certificates.ecdsa.key)
        let identity = try ClientCertificate(files)
        let client = try ClientTLS(authorities: certificates.authority.certificate, certificate: identity)
        let server = try ServerTLS(certificates.ecdsa) {
            $0.clientCertificates = .require
            $0.clientAuthorities = certificates.authority.certificate
        }
        var sessions = 0
        func shown() throws -> String? {
            var expectation = TLSExpectation.name("a.example")
            sessions += 1
            expectation.sessionKey = "\(sessions)"
            let pair = try TLSPair(server, client, expectation)
            try pair.connect()
            return pair.server.recorder.facts?.peer?.commonName
        }
        #expect(try shown() == "ecdsa")
        #expect(identity.reloadIfChanged() == .unchanged)
        try write(certificates.other.chain, certificates.ecdsa.key)
        guard case .failed(let problem) = identity.reloadIfChanged() else {
            Issue.record("the key does not belong to the certificate")
            return
        }
        #expect(problem.contains("does not belong to the first certificate"))
        #expect(identity.reloadIfChanged() == .unchanged)
        #expect(try shown() == "ecdsa")
        try write(certificates.other.chain, certificates.other.key)
        #expect(identity.reloadIfChanged() == .reloaded)
        #expect(try shown() == "other")
    }
}
