@testable import Delivery
import MailHubPlugin
import MailQueue
import NIOCore
import NIOPosix
import SMTP
import Testing

@Suite("RFC 5321 sections 3.8 and 4.5.3.2: servers in trouble")
struct SMTPTroubleTests {
    enum Trouble: String, CaseIterable, CustomTestStringConvertible {
        case closing, closed, silent, nonsense, mixedCodes, endlessLine
        var testDescription: String { self.rawValue }

        var answer: Answer {
            switch self {
            case .closing: "421 4.3.2 Closing"
            case .closed: .close
            case .silent: .silence
            case .nonsense: .raw("Hello there\r\n")
            case .mixedCodes: .raw("250-a\r\n251 b\r\n")
            case .endlessLine: .raw("250 " + String(repeating: "x", count: 5000))
            }
        }
    }

    /// A transport session's recipients, or the failure to open one.
    private func outcome(
        _ server: ScriptedServer,
        _ job: DeliveryJob,
        silentAt step: String = ""
    ) async throws -> (reports: [String], opened: Bool) {
        let session: any TransportSession
        do {
            let transport = server.transport(timeouts: .short(at: step))
            session = try await transport.open(
                .store,
                on: EventLoopActorExecutor(MultiThreadedEventLoopGroup.singleton.any())
            )
        } catch {
            #expect(error.isDestinationTrouble)
            return (["\(error.reply.code) \(error.reply.enhancedText ?? "")"], false)
        }
        let reports = await session.deliver(job).summaries
        let isReusable = await session.isReusable
        #expect(!isReusable)
        await session.close()
        return (reports, true)
    }

    @Test(
        "At each step, what is not decided is tried again (S5321-3.8-04, S5321-4.5.3.2-01, S5321-4.5.3.2-02)",
        arguments: Trouble.allCases,
        ["CONNECT", "EHLO", "MAIL", "RCPT TO:<b", "DATA", "."]
    )
    func trouble(_ trouble: Trouble, step: String) async throws {
        for features in [[], ["PIPELINING"]] {
            let script = Script(features, [step: trouble.answer, "RCPT TO:<a": "550 5.1.1 No"])
            try await ScriptedServer.run(script) { server in
                let (reports, opened) = try await self.outcome(
                    server,
                    try job(to: "a@b.example", "b@b.example"),
                    silentAt: trouble == .silent ? step : ""
                )
                let isEarly = step == "CONNECT" || step == "EHLO"
                #expect(opened == !isEarly)
                guard opened else {
                    #expect(reports == [trouble == .closing ? "421 4.3.2" : "451 4.4.1"])
                    return
                }
                let reply = trouble == .closing ? "421 4.3.2" : "451 4.4.2"
                // The refusal of the first recipient stands where it has arrived before the trouble.
                #expect(
                    reports == [step == "MAIL" ? "0 deferred \(reply)" : "0 failed 550 5.1.1", "1 deferred \(reply)"]
                )
            }
        }
    }

    @Test(
        "421 is answered with QUIT, at whatever step (S5321-4.1.4-08, S5321-4.1.4-09)",
        arguments: ["CONNECT", "EHLO", "MAIL", "."]
    )
    func quit(step: String) async throws {
        try await ScriptedServer.run(Script([], [step: "421 4.3.2 Closing"])) { server in
            _ = try await self.outcome(server, try job(to: "r@b.example"))
            for _ in 0..<500 where server.heard.lines.last != "QUIT" { try await Task.sleep(for: .milliseconds(10)) }
            #expect(server.heard.lines.last == "QUIT")
        }
    }

    @Test(
        "A refusing greeting (S5321-4.3.1-02, S7504-4-02)",
        arguments: [("554 5.3.2 No mail here", 554), ("521 5.3.2 Never", 521)]
    )
    func refusingGreeting(line: String, code: Int) async throws {
        try await ScriptedServer.run(Script([], ["CONNECT": .reply(line)])) { server in
            do throws(TransportFailure) {
                _ = try await server.transport().open(
                    .store,
                    on: EventLoopActorExecutor(MultiThreadedEventLoopGroup.singleton.any())
                )
                Issue.record("opened")
            } catch {
                #expect(error.reply.code.value == code)
                #expect(!error.isDestinationTrouble)
            }
            #expect(server.heard.lines == ["CONNECT", "QUIT"])
        }
    }

    @Test(
        "A peer that refuses our name is not asked with HELO",
        arguments: ["550 5.7.1 No", "554 5.7.1 No", "451 4.7.1 Later"]
    )
    func refusedHello(line: String) async throws {
        try await ScriptedServer.run(Script([], ["EHLO": .reply(line)])) { server in
            await #expect(throws: TransportFailure.self) {
                _ = try await server.transport().open(
                    .store,
                    on: EventLoopActorExecutor(MultiThreadedEventLoopGroup.singleton.any())
                )
            }
            #expect(server.heard.lines == ["CONNECT", "EHLO hub.example.org", "QUIT"])
        }
    }

    @Test("A server that never stops talking is left, and takes no memory")
    func flood() async throws {
        let line = "250-" + String(repeating: "x", count: 4000) + "\r\n"
        let reply = String(repeating: line, count: 500) + "250 x\r\n"
        // Behind the reply that is due come 6 MB that nobody has asked for.
        let script = Script([], [".": .raw("250 2.0.0 Taken\r\n" + String(repeating: reply, count: 3))])
        try await ScriptedServer.run(script) { server in
            let session = try await server.transport().open(
                .store,
                on: EventLoopActorExecutor(MultiThreadedEventLoopGroup.singleton.any())
            )
            #expect(await session.deliver(try job(to: "r@b.example")).summaries == ["0 relayed 250 2.0.0"])
            var isReusable = true
            for _ in 0..<1000 {
                isReusable = await session.isReusable
                guard isReusable else { break }
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(!isReusable)
            await session.close()
        }
        // An answer of that size is none.
        let long = String(repeating: line, count: 600) + "250 x\r\n"
        try await ScriptedServer.run(Script([], ["MAIL": .raw(long)])) { server in
            let reports = try await server.deliver(try job(to: "r@b.example"), over: server.transport())
            #expect(reports.summaries == ["0 deferred 451 4.4.2"])
        }
    }

    @Test("Nothing is said before the greeting (S5321-4.3.1-02)")
    func waitsForGreeting() async throws {
        try await ScriptedServer.run(Script([], ["CONNECT": .silence])) { server in
            _ = try await self.outcome(server, try job(to: "r@b.example"), silentAt: "CONNECT")
            #expect(server.heard.lines == ["CONNECT"])
        }
    }

    // MARK: Several hops

    private struct Hops: NextHopResolver {
        let hops: [NextHop]
        func nextHops(for destination: Destination) async throws(TransportFailure) -> [NextHop] { self.hops }
    }

    private func open(_ ports: [Int]) async throws -> String {
        let loopback = try #require(IPAddress("127.0.0.1"))
        let transport = SMTPTransport(
            settings: .init(hostname: "hub.example.org", dialect: .smtp),
            resolver: Hops(
                hops: ports.enumerated().map { NextHop(host: "mx\($0)", address: .ip(loopback, port: $1)) }
            ),
            published: .none,
            content: ContentDirectory(path: "/nonexistent", pool: .singleton),
            logger: .quiet
        )
        do {
            let session = try await transport.open(
                .store,
                on: EventLoopActorExecutor(MultiThreadedEventLoopGroup.singleton.any())
            )
            let reports = await session.deliver(try job(to: "r@b.example"))
            await session.close()
            return "\(reports[0].host ?? "-") \(reports[0].summary)"
        } catch let failure as TransportFailure {
            return "\(failure.host ?? "-") \(failure.reply.code)"
        }
    }

    @Test("Hops are tried in order until one takes mail (S5321-5.1-11)")
    func severalHops() async throws {
        try await ScriptedServer.run(Script()) { good in
            try await ScriptedServer.run(Script([], ["CONNECT": "554 5.3.2 No"])) { refusing in
                // Port 1 on loopback: nobody is there. One that is down may come up again: its trouble outweighs a refusal.
                let rows = [
                    ([1, refusing.port, good.port], "mx2 0 relayed 250 2.0.0"),
                    ([good.port, refusing.port], "mx0 0 relayed 250 2.0.0"),
                    ([refusing.port], "mx0 554"),
                    ([1, refusing.port], "- 451"),
                    ([refusing.port, 1], "- 451"),
                ]
                for (ports, expected) in rows {
                    let answer = try await self.open(ports)
                    #expect(answer == expected)
                }
            }
        }
    }

    // MARK: Reuse

    @Test("Transactions follow each other on one connection (S5321-4.1.4-05)")
    func reuse() async throws {
        let script = Script([], ["RCPT TO:<bad": "550 5.1.1 No"])
        try await ScriptedServer.run(script) { server in
            let transport = server.transport(messagesPerConnection: 3)
            let session = try await transport.open(
                .store,
                on: EventLoopActorExecutor(MultiThreadedEventLoopGroup.singleton.any())
            )
            #expect(await session.deliver(try job(to: "r@b.example")).summaries == ["0 relayed 250 2.0.0"])
            #expect(await session.deliver(try job(to: "bad@b.example")).summaries == ["0 failed 550 5.1.1"])
            var isReusable = await session.isReusable
            #expect(isReusable)
            #expect(await session.deliver(try job(to: "r@b.example")).summaries == ["0 relayed 250 2.0.0"])
            isReusable = await session.isReusable
            #expect(!isReusable, "the limit of messages is reached")
            await session.close()
            let mail = "MAIL FROM:<sender@a.example>"
            #expect(
                server.heard.lines.dropFirst(2) == [
                    mail, "RCPT TO:<r@b.example>", "DATA", ".", mail, "RCPT TO:<bad@b.example>",
                    "RSET", mail, "RCPT TO:<r@b.example>", "DATA", ".", "QUIT",
                ]
            )
        }
    }

    @Test(
        "A connection that the server has closed, or said 421 on, is not used again",
        arguments: [Answer.close, "421 4.4.2 Idle"]
    )
    func closedWhileIdle(answer: Answer) async throws {
        // The server's last word comes unasked, behind the reply to the content.
        let script = Script(
            [],
            [
                ".": {
                    if case .close = answer { .replyAndClose("250 2.0.0 Ok") } else { "250 2.0.0 Ok\r\n421 4.4.2 Idle" }
                }()
            ]
        )
        try await ScriptedServer.run(script) { server in
            let session = try await server.transport().open(
                .store,
                on: EventLoopActorExecutor(MultiThreadedEventLoopGroup.singleton.any())
            )
            #expect(await session.deliver(try job(to: "r@b.example")).summaries == ["0 relayed 250 2.0.0"])
            var isReusable = true
            for _ in 0..<500 {
                isReusable = await session.isReusable
                guard isReusable else { break }
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(!isReusable)
            await session.close()
        }
    }

    @Test("QUIT waits for its reply (S5321-4.1.1.10-02, S5321-4.1.1.10-03)")
    func quitsPolitely() async throws {
        try await ScriptedServer.run(Script()) { server in
            let session = try await server.transport().open(
                .store,
                on: EventLoopActorExecutor(MultiThreadedEventLoopGroup.singleton.any())
            )
            await session.close()
            #expect(server.heard.lines == ["CONNECT", "EHLO hub.example.org", "QUIT"])
        }
    }
}
