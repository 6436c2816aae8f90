import Foundation

/// The hub as a process of its own, as a postmaster runs it.
public final class HubProcess {
    /// Its folder: configuration, queue, mailboxes and log.
    public let folder: URL
    /// The port of its listener.
    public let port: Int
    /// What is started: the executable that was built with the tests, or another build of it.
    public var executable = HubProcess.executable
    private var process: ChildProcess?

    /// The executable that was built with the tests.
    public static var executable: URL {
        URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "mailhub")
    }

    /// Writes the configuration; does not start yet.
    ///
    /// Whatever else is said, retries come after a second, and pauses after failures are short.
    ///
    /// - Parameters:
    ///   - route: the route `store` that mail for example.org takes; a Maildir where `nil`.
    ///   - listener: keys that replace or add to those of its listener, such as `"tls"`.
    ///   - listeners: further listeners.
    ///   - more: keys that replace or add to the top level of the configuration.
    public init(
        folder: URL,
        route: [String: Any]? = nil,
        listener: [String: Any] = [:],
        listeners: [[String: Any]] = [],
        more: [String: Any] = [:]
    ) throws {
        self.folder = folder
        self.port = try freePort()
        var first: [String: Any] = [
            "name": "mx", "address": "127.0.0.1", "port": self.port, "role": "mx",
            "maximumConnectionsPerClient": 1000,
            "maximumMessagesPerConnection": 1_000_000, "messageSize": "100MiB",
        ]
        first.merge(listener) { $1 }
        var configuration: [String: Any] = [
            "hostname": "hub.example.org",
            "listeners": [first] + listeners,
            "domains": ["example.org": ["route": "store"]],
            "relayNetworks": ["127.0.0.0/8"],
            "routes": ["store": route ?? ["transport": "maildir", "directory": "maildir"]],
            "defaultRoute": "store",
            "queue": ["directory": "queue", "retry": ["1s"]],
            "throttles": ["default": ["firstPause": "200ms", "longestPause": "1s"]],
            "control": ["socket": "run/control.sock"],
            "plugins": [Any](),
        ]
        configuration.merge(more) { $1 }
        try self.configure(configuration)
    }

    /// Replaces config.json.
    public func configure(_ configuration: [String: Any]) throws {
        let data = try JSONSerialization.data(withJSONObject: configuration, options: [.prettyPrinted, .sortedKeys])
        try data.write(to: self.configurationFile)
    }

    /// What config.json says now.
    public func configuration() throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: self.configurationFile))
        guard let object = object as? [String: Any] else { throw PeerFailure("config.json is no object") }
        return object
    }

    /// Its config.json.
    public var configurationFile: URL { self.folder.appending(path: "config.json") }

    /// What it has logged.
    public var log: String { (try? String(contentsOf: self.folder.appending(path: "hub.log"), encoding: .utf8)) ?? "" }

    /// Starts it and waits for its greeting.
    public func start() throws {
        let log = self.folder.appending(path: "hub.log")
        let process = try ChildProcess(
            self.executable,
            ["serve", "--config", self.configurationFile.path],
            output: .file(log),
            errors: .file(log)
        )
        self.process = process
        let deadline = Date(timeIntervalSinceNow: 240)
        while true {
            if let client = try? SMTPTestClient(port: self.port) {
                client.close()
                return
            }
            guard process.isRunning, Date() < deadline else {
                throw PeerFailure("the hub did not start: \(self.log)")
            }
            usleep(5_000)
        }
    }

    /// Ends it at once, as a power failure would end the process: SIGKILL.
    public func kill() {
        self.process?.signal(SIGKILL)
        self.process?.wait()
    }

    /// Ends it as an operator would: SIGTERM.
    ///
    /// - Returns: its exit status.
    @discardableResult
    public func stop() -> Int32 {
        self.process?.signal(SIGTERM)
        return self.process?.wait() ?? 0
    }

    /// Sends it a signal.
    public func signal(_ signal: Int32) { self.process?.signal(signal) }

    /// Runs one of its commands.
    ///
    /// - Returns: exit status and output, errors included.
    public func command(_ arguments: String...) throws -> (status: Int32, output: String) {
        try Self.run(arguments + ["--config", self.configurationFile.path])
    }

    /// Runs the executable without saying where the configuration is.
    public static func run(_ arguments: [String], input: Data? = nil) throws -> (status: Int32, output: String) {
        let ending = try Ending.of(Self.executable, arguments, input: input)
        return (ending.status, ending.output)
    }

    /// What is queued, as `mailhub queue list --json` says it.
    public func queue(_ options: String...) throws -> [[String: Any]] {
        let (status, output) = try Self.run(
            ["queue", "list", "--json", "--config", self.configurationFile.path] + options
        )
        guard status == 0 else { throw PeerFailure("queue list: \(output)") }
        return output.split(separator: "\n").compactMap { line in
            (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any]
        }
    }

    /// Waits until the queue is empty.
    public func isDrained() throws -> Bool { try eventually { try self.queue().isEmpty } }

    /// Log lines with a text.
    public func logLines(_ text: String) -> [Substring] {
        self.log.split(separator: "\n").filter { $0.contains(text) }
    }

    /// The files of the delivered messages of a mailbox: those in `new`.
    public func mailboxFiles(_ user: String) -> [URL] {
        let folder = self.folder.appending(path: "maildir/example.org/\(user)/new")
        return (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
    }

    /// The delivered messages of a mailbox.
    public func mailbox(_ user: String) -> [Data] {
        self.mailboxFiles(user).compactMap { try? Data(contentsOf: $0) }
    }

    deinit { self.kill() }
}
