import Foundation

/// A private nsd on loopback with zones that a test writes.
public final class NameServer {
    /// Where it answers, UDP and TCP.
    public let port: Int
    private let peer: Peer
    private let folder: URL
    private let configuration: URL
    /// The keys of the signed zones, as `dns.trustAnchor` in config.json takes them.
    public let trustAnchor: URL
    private var running: RunningPeer?
    /// The records of the zones, as they were given.
    private var sources: [String: String] = [:]
    /// The signed zones' keys.
    private var keys: [String: String] = [:]

    /// Writes the zones; does not start yet.
    ///
    /// - Parameters:
    ///   - zones: by name; the records without SOA and NS, which are added. A name without a dot at its end is
    ///     relative to the zone.
    ///   - signed: the zones that DNSSEC protects.
    ///   - forged: texts of signed zones, and what somebody has put in their place afterwards.
    /// - Returns: `nil` where nsd is not installed, or ldns's tools where they are needed.
    public init?(
        folder: URL,
        zones: [String: String],
        signed: Set<String> = [],
        forged: [String: String] = [:]
    ) throws {
        self.trustAnchor = folder.appending(path: "trust-anchor.key")
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
        for name in zones.keys { text += "zone:\n  name: \"\(name)\"\n  zonefile: \"\(name).zone\"\n" }
        try Data(text.utf8).write(to: self.configuration)
        var anchors = ""
        for name in signed {
            guard let key = try Self.key(of: name, in: folder) else { return nil }
            self.keys[name] = key
            anchors += try String(contentsOf: folder.appending(path: "\(key).key"), encoding: .utf8)
        }
        try Data(anchors.utf8).write(to: self.trustAnchor)
        for (name, records) in zones { try self.write(name, records, forged) }
    }

    private func write(_ name: String, _ records: String, _ forged: [String: String] = [:]) throws {
        let head = """
            $ORIGIN \(name).
            $TTL 1
            @ SOA ns.\(name). hostmaster.\(name). 1 3600 900 86400 1
            @ NS ns.\(name).

            """
        let file = self.folder.appending(path: "\(name).zone")
        try Data((head + records + "\n").utf8).write(to: file)
        self.sources[name] = records
        guard let key = self.keys[name], let signer = try Peer.find("ldns-signzone") else { return }
        let signed = try Ending.of(signer.executable, ["-f", file.path, file.path, key], folder: self.folder)
        guard signed.status == 0 else { throw PeerFailure("ldns-signzone: \(signed.output)") }
        var zone = try String(contentsOf: file, encoding: .utf8)
        for (text, forgery) in forged { zone = zone.replacingOccurrences(of: text, with: forgery) }
        try Data(zone.utf8).write(to: file)
    }

    /// Makes a key for a zone.
    ///
    /// - Returns: the names of its files, without what is behind the last dot.
    private static func key(of zone: String, in folder: URL) throws -> String? {
        guard let keygen = try Peer.find("ldns-keygen"), try Peer.find("ldns-signzone") != nil else { return nil }
        let arguments = ["-a", "ECDSAP256SHA256", "-r", "/dev/urandom", zone]
        let made = try Ending.of(keygen.executable, arguments, folder: folder, together: false)
        guard made.status == 0 else { throw PeerFailure("ldns-keygen: \(made.complaints)") }
        return made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The server in the form of `dns.servers` in config.json.
    public var server: String { "127.0.0.1@\(self.port)" }

    /// Starts it and waits until it answers.
    public func start() throws {
        self.running = try self.peer.start(["-d", "-c", self.configuration.path], folder: self.folder, port: self.port)
    }

    /// Changes a zone, signs it again where it was signed, and starts the server anew.
    public func replace(zone name: String, _ change: (String) -> String) throws {
        self.stop()
        try self.write(name, change(self.sources[name] ?? ""))
        try self.start()
    }

    /// Ends it.
    public func stop() {
        self.running?.stop()
        self.running = nil
    }
}
