import Foundation
import LDAPClient
import MailHubPlugin
import Testing
import TestSupport

@Suite("Directory servers that stop, hang and come back")
struct FailoverTests {
    private static func server() async throws -> Slapd? {
        try await onThread { try Slapd.start(Entries.tree + Entries.people(100)) }
    }

    /// Asks until the answer is there, within 20 s.
    private static func asks(_ directory: LDAPDirectory, until expected: String) async throws -> Bool {
        for _ in 0..<400 {
            if await summary(directory.search(search("person1@example.org"))).hasPrefix(expected) { return true }
            try await Task.sleep(for: .milliseconds(50))
        }
        return false
    }

    @Test("a server that stops is unavailable, never \"not found\"; when it is back it is used again")
    func restart() async throws {
        guard let server = try await Self.server() else { return }
        let directory = try Entries.directory([server.url])
        #expect(await summary(directory.search(search("person1@example.org"))) == "person1")
        try await onThread { server.stop() }
        #expect(await summary(directory.search(search("person1@example.org"))).hasPrefix("unavailable: "))
        #expect(await summary(directory.search(search("nobody@example.org"))).hasPrefix("unavailable"))
        try await onThread { try server.start() }
        #expect(try await Self.asks(directory, until: "person1"))
        #expect(await directory.search(search("nobody@example.org")) == .notFound)
    }

    @Test("stopped under load: every answer is right or unavailable")
    func stoppedUnderLoad() async throws {
        guard let server = try await Self.server() else { return }
        let directory = try Entries.directory([server.url])
        let isOver = Flag()
        let wrong = try await withThrowingTaskGroup { group in
            for worker in 0..<20 {
                group.addTask {
                    var wrong = 0
                    while !isOver.value {
                        let answer = await summary(directory.search(search("person\(worker)@example.org")))
                        if answer != "person\(worker)", !answer.hasPrefix("unavailable") { wrong += 1 }
                        await Task.yield()
                    }
                    return wrong
                }
            }
            for _ in 0..<2 {
                try await onThread {
                    usleep(100_000)
                    server.stop()
                    usleep(100_000)
                    try server.start()
                }
            }
            isOver.set()
            return try await group.reduce(0, +)
        }
        #expect(wrong == 0)
        #expect(try await Self.asks(directory, until: "person1"))
    }

    @Test("two servers: the second answers while the first is gone, and the first is used again when it is back")
    func failover() async throws {
        guard let first = try await Self.server(), let second = try await Self.server() else { return }
        let directory = try Entries.directory([first.url, second.url])
        #expect(await summary(directory.search(search("person1@example.org"))) == "person1")
        #expect(directory.lastServer == first.url)
        try await onThread { first.stop() }
        #expect(await summary(directory.search(search("person1@example.org"))) == "person1")
        #expect(directory.lastServer == second.url)
        try await onThread { try first.start() }
        var isBack = false
        for _ in 0..<400 where !isBack {
            #expect(await summary(directory.search(search("person1@example.org"))) == "person1")
            isBack = directory.lastServer == first.url
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(isBack)
    }

    @Test(
        "a server that accepts and never answers costs its time limit, at every step",
        arguments: [
            ("ldap", false, false, "first search: no answer"), ("ldap", false, true, "bind (simple cn=hub): no answer"),
            ("ldap", true, false, "StartTLS: no answer"), ("ldaps", false, false, "TLS: "),
        ]
    )
    func silence(_ scheme: String, _ startsTLS: Bool, _ binds: Bool, _ message: String) async throws {
        let silent = try SilentServer()
        let directory = try Entries.directory(["\(scheme)://127.0.0.1:\(silent.port)"]) { settings in
            settings.usesStartTLS = startsTLS
            if binds { settings.bind = .simple(name: "cn=hub", password: "geheim") }
            settings.timeouts.tls = .milliseconds(300)
            settings.timeouts.bind = .milliseconds(300)
            settings.timeouts.search = .milliseconds(300)
        }
        let answer = await summary(directory.search(search("person1@example.org")))
        #expect(answer.hasPrefix("unavailable") && answer.contains(message), "\(answer)")
    }

    @Test("the second server answers what the silent first one does not")
    func silentFirst() async throws {
        guard let server = try await Self.server() else { return }
        let silent = try SilentServer()
        let directory = try Entries.directory(["ldap://127.0.0.1:\(silent.port)", server.url]) { settings in
            settings.timeouts.search = .seconds(2)
            settings.timeouts.retry = .seconds(60)
        }
        for _ in 0..<3 { #expect(await summary(directory.search(search("person1@example.org"))) == "person1") }
        #expect(directory.lastServer == server.url)
    }

    @Test("an answer that is too long costs the connection; a silent connection is checked")
    func bounds() async throws {
        guard let server = try await Self.server() else { return }
        let small = try Entries.directory([server.url]) { $0.messageSize = 64 }
        #expect(await summary(small.search(search("person1@example.org"))).hasPrefix("unavailable"))
        let directory = try Entries.directory([server.url]) { settings in
            settings.timeouts.idle = .milliseconds(50)
            settings.searchesPerConnection = 2
            settings.waitingSearches = 5
        }
        #expect(await summary(directory.search(search("person1@example.org"))) == "person1")
        try await Task.sleep(for: .milliseconds(300))
        #expect(await summary(directory.search(search("person1@example.org"))) == "person1")
        let answers = await withTaskGroup { group in
            for number in 0..<100 {
                group.addTask { await summary(directory.search(search("person\(number)@example.org"))) }
            }
            return await group.reduce(into: [String]()) { $0.append($1) }
        }
        #expect(answers.allSatisfy { $0.hasPrefix("person") || $0.hasSuffix("are waiting already") })
    }
}

/// Set by one task, read by others.
final class Flag: @unchecked Sendable {
    // `@unchecked`: the lock guards the value.
    private let lock = NSLock()
    private var isSet = false
    var value: Bool { self.lock.withLock { self.isSet } }
    func set() { self.lock.withLock { self.isSet = true } }
}

/// Lets clients connect and says nothing.
final class SilentServer {
    private let descriptor: Int32
    let port: Int

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let bound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard bound == 0, listen(descriptor, 50) == 0 else { throw PeerFailure("cannot listen") }
        // The system has chosen a port that nobody else has.
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let known = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(descriptor, $0, &size)
            }
        }
        guard known == 0 else { throw PeerFailure("no port") }
        self.descriptor = descriptor
        self.port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(self.descriptor) }
}
