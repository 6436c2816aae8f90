import Foundation

/// A private Postfix that takes mail for example.org into one Maildir.
public final class PostfixPeer {
    /// Where it listens.
    public let port: Int
    private let postfix: Peer
    private let folder: URL
    private var running: RunningPeer?

    /// Writes the configuration; does not start yet.
    ///
    /// - Parameter settings: lines of main.cf.
    /// - Returns: `nil` where Postfix is not installed, or the test does not run as root, which Postfix wants.
    public init?(folder: URL, settings: [String]) throws {
        guard let postfix = try Peer.find("postfix") else { return nil }
        guard getuid() == 0 else {
            print("skipped: Postfix runs as root only")
            return nil
        }
        self.postfix = postfix
        self.folder = folder.appending(path: "postfix")
        self.port = try freePort()
        for name in ["queue", "data", "mail", "etc"] {
            try FileManager.default.createDirectory(
                at: self.folder.appending(path: name),
                withIntermediateDirectories: true
            )
        }
        guard let owner = getpwnam("postfix")?.pointee else { throw PeerFailure("no user postfix") }
        guard chown(self.folder.appending(path: "data").path, owner.pw_uid, owner.pw_gid) == 0,
            chown(self.folder.appending(path: "mail").path, 65534, 65534) == 0
        else { throw PeerFailure("cannot give folders away") }
        let path = self.folder.path
        let standard = [
            "compatibility_level = 3.6", "queue_directory = \(path)/queue", "data_directory = \(path)/data",
            "maillog_file = \(path)/log", "maillog_file_prefixes = \(path)", "inet_interfaces = 127.0.0.1",
            "inet_protocols = ipv4", "myhostname = store.example.org", "mydestination =", "mynetworks = 127.0.0.0/8",
            "virtual_mailbox_domains = example.org", "virtual_mailbox_base = \(path)/mail",
            "virtual_mailbox_maps = static:all/", "virtual_uid_maps = static:65534",
            "virtual_gid_maps = static:65534", "smtpd_relay_restrictions = permit_mynetworks, reject",
            "alias_maps =", "alias_database =", "virtual_mailbox_limit = 0",
        ]
        // One line for each name: Postfix warns of a second, and its logger, which warns as well, waits for itself for ever
        // where the socket that it logs to is full.
        let given = Set(settings.map(Self.name(of:)))
        let lines = standard.filter { !given.contains(Self.name(of: $0)) } + settings
        try Data(lines.map { $0 + "\n" }.joined().utf8)
            .write(to: self.folder.appending(path: "etc/main.cf"))
        let services = """
            127.0.0.1:\(self.port) inet n - n - - smtpd
            pickup unix n - n 60 1 pickup
            cleanup unix n - n - 0 cleanup
            qmgr unix n - n 300 1 qmgr
            tlsmgr unix - - n 1000? 1 tlsmgr
            rewrite unix - - n - - trivial-rewrite
            bounce unix - - n - 0 bounce
            defer unix - - n - 0 bounce
            trace unix - - n - 0 bounce
            verify unix - - n - 1 verify
            flush unix n - n 1000? 0 flush
            proxymap unix - - n - - proxymap
            proxywrite unix - - n - 1 proxymap
            smtp unix - - n - - smtp
            relay unix - - n - - smtp
            showq unix n - n - - showq
            error unix - - n - - error
            retry unix - - n - - error
            discard unix - - n - - discard
            virtual unix - n n - - virtual
            anvil unix - - n - 1 anvil
            scache unix - - n - 1 scache
            postlog unix-dgram n - n - 1 postlogd

            """
        try Data(services.utf8).write(to: self.folder.appending(path: "etc/master.cf"))
    }

    private static func name(of setting: String) -> Substring { setting.prefix { $0 != " " } }

    /// Starts it and waits until it listens.
    public func start() throws {
        self.running = try self.postfix.start(
            ["-c", self.folder.appending(path: "etc").path, "start-fg"],
            folder: self.folder,
            port: self.port
        )
    }

    /// Ends it.
    public func stop() {
        _ = try? self.postfix.run(["-c", self.folder.appending(path: "etc").path, "stop"])
        self.running?.stop()
        self.running = nil
    }

    /// The messages that it has taken.
    public var messages: [String] {
        let new = self.folder.appending(path: "mail/all/new")
        let files = try? FileManager.default.contentsOfDirectory(at: new, includingPropertiesForKeys: nil)
        return (files ?? []).compactMap { try? Data(contentsOf: $0) }.map { String(decoding: $0, as: UTF8.self) }
    }

    /// What it has logged.
    public var log: String { (try? String(contentsOf: self.folder.appending(path: "log"), encoding: .utf8)) ?? "" }

    deinit { self.stop() }
}
