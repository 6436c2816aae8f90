import CGlibc
import Foundation
import NIOCore
import NIOEmbedded
import TestSupport
import Testing
import TransportSecurity

/// Octets that malloc has handed out.
private var allocated: Int {
    let information = mallinfo2()
    return Int(information.uordblks) + Int(information.hblkhd)
}

@Suite("Memory of connections: none stays behind, and an idle one needs little", .serialized)
struct MemoryTests {
    /// How a connection goes before it is given up.
    enum Course: CaseIterable { case closed, dropped, refused, garbage, stalled }

    /// What a connection costs, in octets.
    ///
    /// Other suites run at the same time and allocate, too: the best of many rounds counts, and the first good one is enough. What
    /// connections keep is there in each.
    private static func growth(below limit: Int, connections count: Int, _ connect: () throws -> Void) throws -> Int {
        var best = Int.max
        for _ in 0..<40 where best >= limit {
            let before = allocated
            for _ in 0..<count { try connect() }
            best = min(best, (allocated - before) / count)
        }
        return best
    }

    @Test("a thousand connections leave nothing behind", arguments: Course.allCases)
    func leaks(course: Course) async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let server = try ServerTLS(certificates.ecdsa, certificates.other)
        let client = try ClientTLS(authorities: certificates.authority.certificate)
        func connect() throws {
            let name = course == .refused ? "wrong.example" : "b.example"
            let pair = try TLSPair(server, client, .name(name))
            switch course {
            case .garbage:
                try pair.server.connect()
                try pair.server.channel.writeInbound(ByteBuffer(string: "GET / HTTP/1.0\r\n\r\n"))
            case .stalled:
                try pair.server.connect()
                try pair.server.channel.writeInbound(ByteBuffer(bytes: [0x16, 3, 1, 2, 0, 1]))
                pair.server.channel.embeddedEventLoop.advanceTime(by: .seconds(60))
            case .closed, .dropped, .refused:
                try pair.connect()
                pair.server.send("220 hello\r\n")
                try pair.pump()
                if course == .closed {
                    pair.client.channel.close(promise: nil)
                    try pair.pump()
                }
            }
            for end in [pair.server, pair.client] { _ = try? end.channel.finish(acceptAlreadyClosed: true) }
        }
        // What is made once (tables of OpenSSL, the session cache) is there after a few.
        for _ in 0..<100 { try connect() }
        // One leaked SSL is more than 10 KB.
        let growth = try Self.growth(below: 1000, connections: 200, connect)
        #expect(growth < 1000, "octets a connection")
    }

    @Test("an idle connection of a server needs less than 60 KB")
    func idle() async throws {
        guard let certificates = try await TestCertificates.make() else { return }
        let server = try ServerTLS(certificates.ecdsa)
        let client = try ClientTLS(authorities: certificates.authority.certificate)
        var ends: [TLSEnd] = []
        func connect() throws {
            let pair = try TLSPair(server, client, .name("a.example"))
            try pair.connect()
            pair.server.send("220 hello\r\n")
            try pair.pump()
            pair.client.send("EHLO c.example\r\n")
            try pair.pump()
            ends.append(pair.server)
        }
        for _ in 0..<20 { try connect() }
        let each = try Self.growth(below: 60_000, connections: 100, connect)
        #expect(each < 60_000, "octets a connection")
        for end in ends { _ = try? end.channel.finish(acceptAlreadyClosed: true) }
    }
}
