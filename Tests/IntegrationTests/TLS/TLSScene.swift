import Foundation
import TestSupport

/// A hub with certificates of a test authority, and Python to talk to it.
final class TLSScene {
    let directory: TemporaryDirectory
    let authority: TestAuthority
    let hub: HubProcess
    /// The port of the listener with TLS from the start.
    let implicitPort: Int
    let python: Peer
    let certificate: TestAuthority.Files

    /// - Parameter mode: of the first listener.
    /// - Returns: `nil` where a program is missing: the test is then skipped and has said so.
    init?(mode: String = "starttls", tls: [String: Any] = [:], more: [String: Any] = [:]) throws {
        self.directory = try TemporaryDirectory()
        guard let python = try Peer.find("python3"),
            let authority = try TestAuthority(folder: self.directory.url.appending(path: "authority"))
        else { return nil }
        self.python = python
        self.authority = authority
        self.certificate = try authority.issue("hub", names: ["DNS:hub.example.org", "DNS:localhost", "IP:127.0.0.1"])
        self.implicitPort = try freePort()
        var section: [String: Any] = [
            "mode": mode,
            "certificates": [["chain": self.certificate.chain, "key": self.certificate.key]],
        ]
        section.merge(tls) { $1 }
        var implicit = section
        implicit["mode"] = "implicit"
        self.hub = try HubProcess(
            folder: self.directory.url,
            listener: ["tls": section],
            listeners: [
                [
                    "name": "implicit", "address": "127.0.0.1", "port": self.implicitPort, "tls": implicit,
                    "maximumConnectionsPerClient": 1000,
                ]
            ],
            more: ["logging": ["level": "debug"]].merging(more) { $1 }
        )
    }

    /// Runs a Python program that has `port`, `implicit`, `authority` and a few functions at hand.
    ///
    /// - Returns: the lines that it printed.
    func run(_ program: String) throws -> [String] {
        let prelude = """
            import os, select, smtplib, socket, ssl, sys, time
            port, implicit, authority = \(self.hub.port), \(self.implicitPort), "\(self.authority.certificate)"
            context = ssl.create_default_context(cafile=authority)
            def connect(to=port):
                s = socket.create_connection(("127.0.0.1", to), timeout=30)
                return s, s.makefile("rb", buffering=0)
            def reply(f):
                lines = []
                while True:
                    line = f.readline()
                    if not line: return "closed"
                    lines.append(line.decode().rstrip())
                    if line[3:4] != b"-": return "\\n".join(lines)
            def secure(s):
                t = context.wrap_socket(s, server_hostname="hub.example.org")
                return t, t.makefile("rb", buffering=0)
            def ask(s, f, line):
                s.sendall(line.encode() + b"\\r\\n")
                return reply(f)

            """
        let file = self.directory.url.appending(path: "program.py")
        try Data((prelude + program).utf8).write(to: file)
        let (status, output) = try self.python.run([file.path])
        guard status == 0 else { throw PeerFailure("python: \(output)\n\(self.hub.log.suffix(3000))") }
        return output.split(separator: "\n").map { String($0) }
    }

    /// Waits for delivered messages, at most 30 seconds.
    func waitForMail(_ user: String, count: Int = 1) throws -> [String] {
        for _ in 0..<1500 where self.hub.mailboxFiles(user).count < count { usleep(20_000) }
        return self.hub.mailbox(user).map { String(decoding: $0, as: UTF8.self) }
    }
}
