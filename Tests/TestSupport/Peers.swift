import Foundation
import Synchronization

/// Why a peer of a test is of no use.
public struct PeerFailure: Error, CustomStringConvertible {
    /// What happened.
    public let description: String
    /// Makes a failure with its text.
    public init(_ description: String) { self.description = description }
}

/// A port that nobody listens on, and that this process has given to nobody else.
///
/// From below the range that the system takes the ports of clients from: there, some client of another test might have it when
/// the server comes to bind it.
public func freePort() throws -> Int {
    for _ in 0..<1000 {
        let port = Int.random(in: 12_000..<32_000)
        guard givenPorts.withLock({ $0.insert(port).inserted }) else { continue }
        if isFree(port, Int32(SOCK_STREAM.rawValue)), isFree(port, Int32(SOCK_DGRAM.rawValue)) { return port }
    }
    throw PeerFailure("no free port")
}

private let givenPorts = Mutex<Set<Int>>([])

private func isFree(_ port: Int, _ type: Int32) -> Bool {
    let descriptor = socket(AF_INET, type, 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port)).bigEndian
    address.sin_addr.s_addr = in_addr_t(0).bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}

/// A folder that is gone when the test is.
public final class TemporaryDirectory {
    /// Where it is.
    public let url: URL

    /// Makes the folder.
    public init() throws {
        self.url = FileManager.default.temporaryDirectory.appending(path: "mailhub-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: self.url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: self.url) }
}

/// A program of the system that a test talks to.
public struct Peer: Sendable {
    /// Where it is.
    public let executable: URL

    /// Names a program that is there.
    public init(executable: URL) { self.executable = executable }

    /// Finds a program; `nil` where it is not installed: the test is then skipped and says so.
    ///
    /// - Throws: where it is missing although `MAILHUB_REQUIRE_PEERS` is set, as it is in CI.
    public static func find(_ name: String) throws -> Peer? {
        for folder in ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"] {
            let path = "\(folder)/\(name)"
            if FileManager.default.isExecutableFile(atPath: path) { return Peer(executable: URL(filePath: path)) }
        }
        guard ProcessInfo.processInfo.environment["MAILHUB_REQUIRE_PEERS"] == nil else {
            throw PeerFailure("\(name) is not installed")
        }
        print("skipped: \(name) is not installed")
        return nil
    }

    /// Runs it to its end.
    ///
    /// - Returns: exit status and output, errors included.
    public func run(_ arguments: [String], input: Data? = nil) throws -> (status: Int32, output: String) {
        let ending = try Ending.of(self.executable, arguments, input: input)
        return (ending.status, ending.output)
    }

    /// Starts it, to be ended by `RunningPeer.stop()`.
    public func start(
        _ arguments: [String],
        folder: URL,
        address: String = "127.0.0.1",
        port: Int
    ) throws -> RunningPeer {
        let log = folder.appending(path: "\(self.executable.lastPathComponent).log")
        var attempts = 0
        while true {
            let process = try self.launched(arguments, folder: folder, log: log)
            let deadline = Date(timeIntervalSinceNow: 240)
            while process.isRunning, Date() < deadline {
                if RunningPeer.answers(port, at: address) { return RunningPeer(process: process) }
                usleep(10_000)
            }
            let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
            attempts += 1
            // Somebody else may have the port for a moment.
            guard !process.isRunning, text.contains("in use"), attempts < 20 else {
                throw PeerFailure("\(self.executable.lastPathComponent): \(text)")
            }
            usleep(100_000)
        }
    }

    private func launched(_ arguments: [String], folder: URL, log: URL) throws -> ChildProcess {
        try Data().write(to: log)
        return try ChildProcess(self.executable, arguments, folder: folder, output: .file(log), errors: .file(log))
    }
}

/// A peer that runs until the test is over.
public final class RunningPeer {
    private let process: ChildProcess

    init(process: ChildProcess) { self.process = process }

    /// Whether something listens on a port.
    static func answers(_ port: Int, at text: String) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = inet_addr(text)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// Ends it.
    public func stop() {
        self.process.signal(SIGTERM)
        for _ in 0..<500 where self.process.isRunning { usleep(10_000) }
        self.process.signal(SIGKILL)
        self.process.wait()
    }

    deinit { self.stop() }
}
