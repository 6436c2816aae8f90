import MailHubPluginTesting
import NIOCore
import NIOEmbedded
import SMTP
import Synchronization
import Testing

@testable import Reception

@Suite("Input is asked for only while there is room for it, and replies leave in one write")
struct BackPressureTests {
    /// Counts what the session asks its channel for.
    private final class Counter: ChannelOutboundHandler, Sendable {
        typealias OutboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let counts = Mutex((reads: 0, flushes: 0))
        var reads: Int { self.counts.withLock { $0.reads } }
        var flushes: Int { self.counts.withLock { $0.flushes } }

        func read(context: ChannelHandlerContext) {
            self.counts.withLock { $0.reads += 1 }
            context.read()
        }

        func flush(context: ChannelHandlerContext) {
            self.counts.withLock { $0.flushes += 1 }
            context.flush()
        }
    }

    @Test("one read at a time, none while the client does not take its replies, one when it does again")
    func reads() async throws {
        let (client, counter) = try await Self.client()
        _ = try await client.reply()
        await client.settle()
        #expect(counter.reads == 1)
        await client.send("NOOP")
        #expect(counter.reads == 2)
        client.channel.isWritable = false
        await client.send("NOOP")
        #expect(counter.reads == 2)
        client.channel.isWritable = true
        let channel = client.channel
        client.loop.execute { channel.pipeline.syncOperations.fireChannelWritabilityChanged() }
        await client.settle()
        #expect(counter.reads == 3)
        await client.disconnect()
        try await client.finished()
    }

    @Test("S5321-4.5.3.2.7-01: a client that takes no replies is let go")
    func unwritable() async throws {
        let (client, _) = try await Self.client()
        _ = try await client.reply()
        client.channel.isWritable = false
        await client.send("NOOP")
        try await client.advance(seconds: 301)
        try await client.advance(seconds: 301)
        try await client.finished()
    }

    @Test("S2920-3.2-04: the replies of one read leave in one write")
    func oneWrite() async throws {
        let (client, counter) = try await Self.client()
        _ = try await client.reply()
        await client.settle()
        let before = counter.flushes
        await client.send(Array("NOOP\r\nEHLO c.example\r\nMAIL FROM:<>\r\nFOO\r\nVRFY x\r\n".utf8))
        for code in ["250", "250", "250", "500", "252"] { #expect(try await client.reply()?.prefix(3) == code[...]) }
        #expect(counter.flushes == before + 1)
        await client.disconnect()
        try await client.finished()
    }

    private static func client() async throws -> (SessionClient, Counter) {
        let counter = Counter()
        let server = try SessionClient.Server.standard(RecordingIntake())
        let loop = NIOAsyncTestingEventLoop()
        let client = try await SessionClient.connect(to: server, on: loop) { channel in
            try await channel.pipeline.addHandler(counter).get()
        }
        return (client, counter)
    }
}
