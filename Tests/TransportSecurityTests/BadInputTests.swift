import NIOCore
import NIOEmbedded
import TestSupport
import Testing
import TransportSecurity

@Suite("RFC 8446 section 6: what ends a connection, and how it is told")
struct BadInputTests {
    struct Garbage: CustomTestStringConvertible {
        let testDescription: String
        let octets: [UInt8]
        let reason: String
    }

    static let garbage = [
        Garbage(
            testDescription: "a command in the clear",
            octets: Array("EHLO c.example\r\n".utf8),
            reason: "wrong version"
        ),
        Garbage(testDescription: "HTTP", octets: Array("GET / HTTP/1.0\r\n\r\n".utf8), reason: "http request"),
        Garbage(
            testDescription: "a record that is too long",
            octets: [0x16, 0x03, 0x01, 0xFF, 0xFF] + [UInt8](repeating: 1, count: 70000),
            reason: "length"
        ),
        Garbage(testDescription: "application data first", octets: [0x17, 0x03, 0x03, 0, 1, 0], reason: ""),
        Garbage(
            testDescription: "a ClientHello of nothing but zeros",
            octets: [0x16, 0x03, 0x01, 0, 44, 1, 0, 0, 40] + [UInt8](repeating: 0, count: 40),
            reason: ""
        ),
        Garbage(
            testDescription: "a handshake message of 16 MB",
            octets: [0x16, 0x03, 0x01, 0x40, 0x00, 1, 0xFF, 0xFF, 0xFF] + [UInt8](repeating: 0, count: 16380),
            reason: ""
        ),
        Garbage(testDescription: "TLS 1.0 only", octets: TLSRecords.oldClientHello, reason: "unsupported protocol"),
    ]

    @Test(arguments: Self.garbage)
    func insteadOfClientHello(_ garbage: Garbage) async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let server = try TLSEnd(server: ServerTLS(certificates.ecdsa))
        try server.connect()
        try server.channel.writeInbound(ByteBuffer(bytes: garbage.octets))
        guard case .protocolError(let reason) = server.recorder.failure else {
            Issue.record("no failure: \(String(describing: server.recorder.failure))")
            return
        }
        #expect(reason.contains(garbage.reason))
        #expect(!server.channel.isActive)
        #expect(server.recorder.received.readableBytes == 0)
    }

    @Test("a handshake that stalls is cut off by its time limit, and one that is done is not")
    func stalledHandshake() async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let settings = try ServerTLS(certificates.ecdsa) { $0.handshakeTime = .seconds(30) }
        let server = try TLSEnd(server: settings)
        try server.connect()
        try server.channel.writeInbound(ByteBuffer(bytes: [0x16, 0x03]))
        server.channel.embeddedEventLoop.advanceTime(by: .seconds(29))
        #expect(server.channel.isActive)
        server.channel.embeddedEventLoop.advanceTime(by: .seconds(2))
        #expect(server.recorder.failure == .handshakeTimedOut)
        #expect(!server.channel.isActive)

        let pair = try TLSPair(
            settings,
            ClientTLS(authorities: certificates.authority.certificate),
            .name("a.example")
        )
        try pair.connect()
        pair.server.channel.embeddedEventLoop.advanceTime(by: .hours(1))
        #expect(pair.server.channel.isActive)
    }

    @Test("a handshake that is cut short")
    func truncatedHandshake() async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let pair = try TLSPair(
            ServerTLS(certificates.ecdsa),
            ClientTLS(authorities: certificates.authority.certificate),
            .name("a.example")
        )
        try pair.server.connect()
        try pair.client.connect()
        let hello = try #require(try pair.client.channel.readOutbound(as: ByteBuffer.self))
        try pair.server.channel.writeInbound(hello)
        pair.server.channel.pipeline.fireChannelInactive()
        #expect(pair.server.recorder.failure == .closedInHandshake)
        pair.client.channel.pipeline.fireChannelInactive()
        #expect(pair.client.recorder.failure == .closedInHandshake)
    }

    /// How a connection ends.
    enum Ending: CaseIterable { case closeNotify, cutOff }

    @Test("a connection that is cut off is told from one that the peer has closed", arguments: Ending.allCases)
    func ending(_ ending: Ending) async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let pair = try TLSPair(
            ServerTLS(certificates.ecdsa),
            ClientTLS(authorities: certificates.authority.certificate),
            .name("a.example")
        )
        try pair.connect()
        pair.client.send("DATA\r\nSubject: half")
        switch ending {
        case .closeNotify: pair.client.channel.close(promise: nil)
        case .cutOff: break
        }
        try pair.pump()
        if ending == .cutOff { pair.server.channel.pipeline.fireChannelInactive() }
        #expect(pair.server.text == "DATA\r\nSubject: half")
        #expect(pair.server.recorder.isClosedCleanly == (ending == .closeNotify))
        #expect(pair.server.recorder.failure == nil)
    }

    @Test("close_notify waits until what came before it has been taken")
    func closeWaitsForReader() async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let pair = try TLSPair(
            ServerTLS(certificates.ecdsa),
            ClientTLS(authorities: certificates.authority.certificate),
            .name("a.example")
        )
        try pair.connect()
        pair.server.recorder.isReading = false
        pair.client.send("QUIT\r\n")
        pair.client.channel.close(promise: nil)
        while let buffer = try pair.client.channel.readOutbound(as: ByteBuffer.self) {
            try pair.server.channel.writeInbound(buffer)
        }
        #expect(pair.server.text == "QUIT\r\n")
        #expect(pair.server.channel.isActive && pair.server.recorder.isClosedCleanly == nil)
        pair.server.send("221 bye\r\n")  // still possible
        #expect(try pair.server.channel.readOutbound(as: ByteBuffer.self) != nil)
        pair.server.channel.read()
        #expect(pair.server.recorder.isClosedCleanly == true)
        #expect(!pair.server.channel.isActive)
    }

    @Test("a record that was changed on the way")
    func changedRecord() async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let pair = try TLSPair(
            ServerTLS(certificates.ecdsa),
            ClientTLS(authorities: certificates.authority.certificate),
            .name("a.example")
        )
        try pair.connect()
        pair.client.send("NOOP\r\n")
        var record = try #require(try pair.client.channel.readOutbound(as: ByteBuffer.self))
        let last = record.writerIndex - 1
        record.setInteger((record.getInteger(at: last, as: UInt8.self) ?? 0) ^ 1, at: last)
        try pair.server.channel.writeInbound(record)
        guard case .protocolError = pair.server.recorder.failure else {
            Issue.record("not noticed")
            return
        }
        #expect(pair.server.text.isEmpty)
        // The other connection's failure is no business of a new one: the error queue is empty.
        let next = try TLSPair(
            ServerTLS(certificates.ecdsa),
            ClientTLS(authorities: certificates.authority.certificate),
            .name("a.example")
        )
        try next.connect()
        #expect(next.server.recorder.facts != nil)
    }

    @Test("a record that is larger than the protocol allows, after the handshake")
    func oversizedRecord() async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let pair = try TLSPair(
            ServerTLS(certificates.ecdsa),
            ClientTLS(authorities: certificates.authority.certificate),
            .name("a.example")
        )
        try pair.connect()
        try pair.server.channel.writeInbound(
            ByteBuffer(bytes: [0x17, 0x03, 0x03, 0x48, 0x00] + [UInt8](repeating: 0, count: 0x4800))
        )
        guard case .protocolError = pair.server.recorder.failure else {
            Issue.record("not noticed")
            return
        }
        #expect(!pair.server.channel.isActive)
    }
}

/// Records made by hand.
enum TLSRecords {
    /// A ClientHello that offers TLS 1.0 at most.
    static let oldClientHello: [UInt8] = {
        let body: [UInt8] =
            [0x03, 0x01] + [UInt8](repeating: 7, count: 32) + [0] + [0, 4, 0xC0, 0x09, 0xC0, 0x13] + [1, 0]
        let message = [UInt8(1), 0, 0, UInt8(body.count)] + body
        return [0x16, 0x03, 0x01, 0, UInt8(message.count)] + message
    }()
}
