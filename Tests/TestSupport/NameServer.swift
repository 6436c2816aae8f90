import Foundation

/// A private nsd on loopback with zones that a test writes.
public final class NameServer {
    /// Where it answers, UDP and TCP.
    public let port: Int
    private let peer: Peer
    private let folder: URL
    private let configuration: URL
    private var running: RunningPeer?

    /// Writes the zones; does not start yet.
    ///
    /// - Parameter zones: by name; the records without SOA and NS, which are added. A name without a dot at its end is
    ///   relative to the zone.
    /// - Returns: `nil` where nsd is not installed.
    public init?(folder: URL, zones: [String: String]) throws {
        guard let peer = try Peer.find("nsd") else { return nil }
        self.peer = peer
        self.folder = folder
        self.port = try freePort()
        self.configuration = folder.appending(path: "nsd.conf")
        var text = """
            server:
              ip-address: 127.0.0.1@\(self.port)
              do-ip6: no
              username: ""
              chroot: ""
              zonesdir: "\(folder.path)"
              database: ""
              pidfile: "\(folder.path)/nsd.pid"
              xfrdfile: "\(folder.path)/xfrd.state"
              zonelistfile: "\(folder.path)/zone.list"
              xfrdir: "\(folder.path)"
              server-count: 1
            remote-control:
              control-enable: no

            """
        for (name, records) in zones {
            text += "zone:\n  name: \"\(name)\"\n  zonefile: \"\(name).zone\"\n"
            let head = """
                $ORIGIN \(name).
                $TTL 1
                @ SOA ns.\(name). hostmaster.\(name). 1 3600 900 86400 1
                @ NS ns.\(name).

                """
            try Data((head + records + "\n").utf8).write(to: folder.appending(path: "\(name).zone"))
        }
        try Data(text.utf8).write(to: self.configuration)
    }

    /// The server in the form of `dns.servers` in config.json.
    public var server: String { "127.0.0.1@\(self.port)" }

    /// Starts it and waits until it answers.
    public func start() throws {
        self.running = try self.peer.start(["-d", "-c", self.configuration.path], folder: self.folder, port: self.port)
    }

    /// Ends it.
    public func stop() {
        self.running?.stop()
        self.running = nil
    }
}
