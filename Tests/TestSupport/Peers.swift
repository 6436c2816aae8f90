import Foundation

/// Why a peer of a test is of no use.
public struct PeerFailure: Error, CustomStringConvertible {
    /// What happened.
    public let description: String
    /// Makes a failure with its text.
    public init(_ description: String) { self.description = description }
}

/// A port that nobody listens on just now.
public func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            bind(descriptor, generic, length) == 0 && getsockname(descriptor, generic, &length) == 0
        }
    }
    guard bound else { throw PeerFailure("no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
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
        let process = Process()
        let output = Pipe()
        process.executableURL = self.executable
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = output
        let standardInput = Pipe()
        process.standardInput = standardInput
        try process.run()
        if let input { try standardInput.fileHandleForWriting.write(contentsOf: input) }
        try standardInput.fileHandleForWriting.close()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    /// Starts it, to be ended by `RunningPeer.stop()`.
    public func start(_ arguments: [String], folder: URL, port: Int) throws -> RunningPeer {
        let process = Process()
        process.executableURL = self.executable
        process.arguments = arguments
        process.currentDirectoryURL = folder
        let log = folder.appending(path: "\(self.executable.lastPathComponent).log")
        try Data().write(to: log)
        let handle = try FileHandle(forWritingTo: log)
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        let deadline = Date(timeIntervalSinceNow: 30)
        while !RunningPeer.answers(port) {
            guard process.isRunning, Date() < deadline else {
                throw PeerFailure(
                    "\(self.executable.lastPathComponent): \((try? String(contentsOf: log, encoding: .utf8)) ?? "")"
                )
            }
            usleep(10_000)
        }
        return RunningPeer(process: process)
    }
}

/// A peer that runs until the test is over.
public final class RunningPeer {
    private let process: Process

    init(process: Process) { self.process = process }

    /// Whether something listens on a port.
    static func answers(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// Ends it.
    public func stop() {
        guard self.process.isRunning else { return }
        self.process.terminate()
        for _ in 0..<100 where self.process.isRunning { usleep(20_000) }
        if self.process.isRunning { kill(self.process.processIdentifier, SIGKILL) }
        self.process.waitUntilExit()
    }

    deinit { self.stop() }
}
