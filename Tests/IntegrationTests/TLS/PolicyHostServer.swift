import Foundation
import TestSupport

/// Hosts of MTA-STS policies, all at one address, in a Python process.
final class PolicyHostServer {
    /// What one host answers.
    struct Answer: Encodable {
        var status = 200
        var type = "text/plain"
        var body = ""
        /// Octets that come behind it, and seconds before it.
        var padding = 0, delay = 0
        /// Whether the end of the body is that of the connection, without close_notify.
        var isCut = false
        /// Where it sends the client on to.
        var location: String?
        /// The host whose certificate it shows: `stranger` for one that nobody trusts.
        var isStranger = false
    }
    let port: Int
    private let folder: URL
    private let running: RunningPeer

    /// - Parameters:
    ///   - answers: by host name.
    ///   - trusted: the certificate of all of them.
    ///   - stranger: one of an unknown authority.
    init?(
        folder: URL,
        answers: [String: Answer],
        trusted: TestAuthority.Files,
        stranger: TestAuthority.Files
    ) throws {
        guard let python = try Peer.find("python3") else { return nil }
        self.port = try freePort()
        self.folder = folder
        try JSONEncoder().encode(answers).write(to: folder.appending(path: "policies.json"))
        try Data().write(to: folder.appending(path: "policies.journal"))
        let file = folder.appending(path: "policies.py")
        try Data(Self.program.utf8).write(to: file)
        self.running = try python.start(
            [file.path, "\(self.port)", trusted.chain, trusted.key, stranger.chain, stranger.key],
            folder: folder,
            port: self.port
        )
    }

    /// What was asked: lines such as `mta-sts.a.example /.well-known/mta-sts.txt`.
    var asked: [String] {
        let text = try? String(contentsOf: self.folder.appending(path: "policies.journal"), encoding: .utf8)
        return (text ?? "").split(separator: "\n").map(String.init)
    }

    func stop() { self.running.stop() }

    private static let program = """
        import http.server, json, ssl, sys, time
        answers = json.load(open("policies.json"))
        journal = open("policies.journal", "a", buffering=1)
        def context(chain, key):
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            made.load_cert_chain(chain, key)
            return made
        trusted, stranger = context(*sys.argv[2:4]), context(*sys.argv[4:6])
        def choose(sock, name, _):
            if answers.get(name, {}).get("isStranger"): sock.context = stranger
        trusted.sni_callback = choose
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def do_GET(self):
                host = self.headers["Host"].split(":")[0]
                answer = answers.get(host, {"status": 404, "type": "text/plain", "body": ""})
                journal.write("%s %s\\n" % (host, self.path))
                body = answer["body"].encode() + b"x-padding: x\\r\\n" * (answer.get("padding", 0) // 14)
                time.sleep(answer.get("delay", 0))
                self.send_response(answer["status"])
                self.send_header("Content-Type", answer["type"])
                if answer.get("isCut"): self.close_connection = True
                else: self.send_header("Content-Length", str(len(body)))
                if answer.get("location"): self.send_header("Location", answer["location"])
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *_): pass
        class Server(http.server.ThreadingHTTPServer):
            def finish_request(self, request, client):
                try: super().finish_request(trusted.wrap_socket(request, server_side=True), client)
                except (OSError, ssl.SSLError): pass
        Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()

        """
}
