import Logging
import MailHubPlugin
import MailHubPluginTesting
import NIOPosix
import SMTP
import TestSupport
import Testing

@testable import Reception

@Suite("RFC 5321 sections 3.8 and 4.5.4.2: the listener, on loopback")
struct ListenerTests {
    @Test("S5321-4.5.4.2-01, S5321-4.3.2-03: one connection too many gets 421, and a place is free again afterwards")
    func connectionsPerClient() async throws {
        try await Self.withListener(connectionsPerClient: 2) { listener in
            let port = listener.port
            try await onThread {
                let first = try SMTPTestClient(port: port)
                let second = try SMTPTestClient(port: port)
                #expect(Self.greeting(at: port).contains("421 4.3.2 hub.example.org"))
                #expect(try first.command("QUIT").hasPrefix("221"))
                first.close()
                // The listener sees the end of a connection a moment later than its client.
                #expect((0..<1000).contains { _ in Self.greeting(at: port) == "220" })
                second.close()
            }
        }
    }

    @Test("Clients beyond what the process has descriptors for get 421, and a place is free again afterwards")
    func budget() async throws {
        try await Self.withListener(budget: 2) { listener in
            let port = listener.port
            try await onThread {
                let first = try SMTPTestClient(port: port)
                let second = try SMTPTestClient(port: port)
                #expect(Self.greeting(at: port).contains("421 4.3.2 hub.example.org"))
                first.close()
                #expect((0..<1000).contains { _ in Self.greeting(at: port) == "220" })
                second.close()
            }
        }
    }

    @Test(
        "S5321-3.8-03: shut down at once after the connection: the client gets 421, and run() returns when it is gone",
        arguments: 0..<50
    )
    func shutDown(_ round: Int) async throws {
        try await Self.withListener { listener in
            let port = listener.port
            async let reply = onThread {
                let client = try SMTPTestClient(port: port)
                defer { client.close() }
                return try client.reply()
            }
            for _ in 0..<60_000 where listener.sessionCount == 0 {
                try await Task.sleep(for: .milliseconds(1))
            }
            await listener.shutDown()
            #expect(try await reply.hasPrefix("421 4.3.2 hub.example.org"))
        }
    }

    /// `220`, or what the client says of another greeting.
    private static func greeting(at port: Int) -> String {
        do {
            try SMTPTestClient(port: port).close()
            return "220"
        } catch {
            return "\(error)"
        }
    }

    private static func withListener(
        connectionsPerClient: Int = 10,
        budget: Int = .max,
        _ body: @Sendable (Listener) async throws -> Void
    ) async throws {
        var limits = SessionLimits()
        limits.connectionsPerClient = connectionsPerClient
        let server = try SessionClient.Server.standard(RecordingIntake())
        let settings = server.settings
        let listener = try await Listener.bind(
            ListenerSettings(name: "mx", address: "127.0.0.1", port: 0, role: .mx, limits: limits),
            group: MultiThreadedEventLoopGroup.singleton,
            current: { settings },
            services: ReceptionServices(
                intake: server.services.intake,
                clock: server.services.clock,
                logger: server.services.logger,
                budget: ConnectionBudget(limit: budget)
            )
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await listener.run() }
            do {
                try await body(listener)
            } catch {
                await listener.shutDown()
                throw error
            }
            await listener.shutDown()
            try await group.waitForAll()
        }
    }
}
