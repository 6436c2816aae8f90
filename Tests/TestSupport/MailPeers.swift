import Foundation

/// A private smtp-sink: another host's MTA that takes all mail, or refuses it, and writes down what it took.
///
/// Each message is a file: who said what in `X-` fields, then the message with line feeds as line ends.
public final class MailSink {
    /// The address where it listens.
    public let address: String
    /// The port where it listens.
    public let port: Int
    private let peer: Peer
    private let folder: URL
    private let options: [String]
    private var running: RunningPeer?

    /// Chooses a port; does not start yet.
    ///
    /// - Parameter options: such as `["-f", "RCPT"]` to refuse every recipient.
    /// - Returns: `nil` where smtp-sink is not installed.
    public init?(folder: URL, address: String = "127.0.0.1", port: Int? = nil, options: [String] = []) throws {
        guard let peer = try Peer.find("smtp-sink") else { return nil }
        self.peer = peer
        self.address = address
        self.port = try port ?? freePort()
        self.options = options
        self.folder = folder.appending(path: "sink-\(address)-\(self.port)")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        try giveAway(self.folder)
    }

    /// Starts it and waits until it listens.
    public func start() throws {
        let user = getuid() == 0 ? ["-u", "nobody"] : []
        self.running = try self.peer.start(
            user + self.options + ["-d", "message.", "\(self.address):\(self.port)", "100"],
            folder: self.folder,
            address: self.address,
            port: self.port
        )
    }

    /// Ends it.
    public func stop() {
        self.running?.stop()
        self.running = nil
    }

    /// The messages that it has taken whole: an empty line is the last thing that it writes.
    public var messages: [String] {
        let files = try? FileManager.default.contentsOfDirectory(at: self.folder, includingPropertiesForKeys: nil)
        return (files ?? []).filter { $0.lastPathComponent.hasPrefix("message.") }
            .compactMap { try? Data(contentsOf: $0) }.map { String(decoding: $0, as: UTF8.self) }
            .filter { $0.hasSuffix("\n\n") }
    }
}

/// A private Dovecot that takes mail by LMTP, over TCP and over a Unix-domain socket, into Maildirs with CRLF.
public final class LMTPStore {
    /// Where it listens.
    public let port: Int
    /// Its socket.
    public var socket: String { self.folder.appending(path: "run/lmtp").path }
    /// Where Postfix asks about users.
    public var authenticationSocket: String { self.folder.appending(path: "run/auth-client").path }
    private let peer: Peer
    private let folder: URL
    private var running: RunningPeer?

    /// Writes the configuration; does not start yet.
    ///
    /// - Parameter users: with their passwords; everybody without one where there are none.
    /// - Returns: `nil` where Dovecot is not installed, or the test does not run as root, which Dovecot wants.
    public init?(folder: URL, users: [String: String] = [:]) throws {
        guard let peer = try Peer.find("dovecot") else { return nil }
        guard getuid() == 0 else {
            print("skipped: Dovecot runs as root only")
            return nil
        }
        self.peer = peer
        // Paths of sockets are short.
        self.folder = folder.appending(path: "dc")
        self.port = try freePort()
        let mail = self.folder.appending(path: "mail")
        try FileManager.default.createDirectory(at: mail, withIntermediateDirectories: true)
        try giveAway(mail)
        try FileManager.default.createDirectory(
            at: self.folder.appending(path: "run"),
            withIntermediateDirectories: true
        )
        let passwords = self.folder.appending(path: "users")
        try Data(users.map { "\($0):{PLAIN}\($1)\n" }.joined().utf8).write(to: passwords)
        let known =
            users.isEmpty
            ? "driver = static\n  args = nopassword=y" : "driver = passwd-file\n  args = \(passwords.path)"
        let configuration = """
            base_dir = \(self.folder.path)/run
            state_dir = \(self.folder.path)/state
            log_path = \(self.folder.path)/dovecot.log
            protocols = lmtp
            ssl = no
            mail_location = maildir:\(mail.path)/%u
            mail_save_crlf = yes
            first_valid_uid = 1
            passdb {
              \(known)
            }
            auth_mechanisms = plain scram-sha-256
            auth_failure_delay = 0
            service anvil {
              unix_listener anvil-auth-penalty {
                mode = 0
              }
            }
            service auth {
              unix_listener auth-client {
                mode = 0666
              }
            }
            userdb {
              driver = static
              args = uid=65534 gid=65534 home=\(mail.path)/%u allow_all_users=yes
            }
            service lmtp {
              inet_listener lmtp {
                address = 127.0.0.1
                port = \(self.port)
              }
            }

            """
        try Data(configuration.utf8).write(to: self.folder.appending(path: "dovecot.conf"))
    }

    /// Starts it and waits until it listens.
    public func start() throws {
        self.running = try self.peer.start(
            ["-F", "-c", self.folder.appending(path: "dovecot.conf").path],
            folder: self.folder,
            port: self.port
        )
    }

    /// Ends it.
    public func stop() {
        self.running?.stop()
        self.running = nil
    }

    /// The messages of a mailbox, as stored.
    public func mailbox(_ address: String) -> [Data] {
        let new = self.folder.appending(path: "mail/\(address)/new")
        let files = try? FileManager.default.contentsOfDirectory(at: new, includingPropertiesForKeys: nil)
        return (files ?? []).compactMap { try? Data(contentsOf: $0) }
    }
}

/// Makes a folder that of the user `nobody`, where we are root: peers give their rights up.
private func giveAway(_ folder: URL) throws {
    guard getuid() == 0 else { return }
    guard chown(folder.path, 65534, 65534) == 0 else { throw PeerFailure("cannot give \(folder.path) to nobody") }
}

/// Waits until something is so, at most 30 seconds; for threads that may block.
public func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<1500 {
        if try condition() { return true }
        usleep(20_000)
    }
    return false
}
