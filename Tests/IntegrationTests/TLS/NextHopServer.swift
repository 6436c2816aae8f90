import Foundation
import TestSupport

/// Next hops that do STARTTLS rightly or wrongly, in one Python process; each says what it was told, and how.
final class NextHopServer {
    /// What a next hop does when it is asked for TLS.
    enum Manner: String {
        /// A handshake.
        case good
        /// A handshake, and it offers REQUIRETLS.
        case promise
        /// It does not offer it.
        case plain
        /// 454.
        case refuse
        /// 220, then no handshake.
        case garbage
        /// 220, then it closes.
        case close
        /// 220 and another reply in the same packet, as an attacker could add one.
        case inject
        /// A handshake, and AUTH inside.
        case login
        /// A handshake, and AUTH inside, whose refusal repeats what it was told.
        case parrot
    }
    struct Hop {
        let manner: Manner
        let certificate: TestAuthority.Files
        let port: Int
        var address = "127.0.0.1"
    }
    private let journal: URL
    private let running: RunningPeer

    init?(folder: URL, hops: [Hop]) throws {
        guard let python = try Peer.find("python3") else { return nil }
        self.journal = folder.appending(path: "journal")
        try Data().write(to: self.journal)
        let file = folder.appending(path: "hops.py")
        try Data(Self.program.utf8).write(to: file)
        let arguments = hops.flatMap {
            [$0.address, "\($0.port)", $0.manner.rawValue, $0.certificate.chain, $0.certificate.key]
        }
        guard let last = hops.last else { return nil }
        self.running = try python.start(
            [file.path, self.journal.path] + arguments,
            folder: folder,
            address: last.address,
            port: last.port
        )
    }

    /// What a next hop was told: lines such as `tls MAIL` and `clear QUIT`.
    func heard(at hop: Hop) -> [String] {
        let place = "\(hop.address):\(hop.port) "
        let text = (try? String(contentsOf: self.journal, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").filter { $0.hasPrefix(place) }
            .map { String($0.dropFirst(place.count)) }
    }

    func stop() { self.running.stop() }

    private static let program = """
        import socket, ssl, sys, threading
        journal = open(sys.argv[1], "a", buffering=1)
        def serve(sock, place, manner, chain, key):
            how = "clear"
            try:
                f = sock.makefile("rb", buffering=0)
                sock.sendall(b"220 hop ESMTP\\r\\n")
                data = False
                while True:
                    line = f.readline()
                    if not line: return
                    if data:
                        if line == b".\\r\\n":
                            data = False
                            sock.sendall(b"250 2.0.0 taken\\r\\n")
                        continue
                    verb = line.split()[0].decode().upper() if line.split() else ""
                    journal.write("%s %s %s%s\\n" % (place, how, verb, "".join(" " + p for p in ("REQUIRETLS", "AUTH=<>") if p.encode() in line)))
                    if verb == "EHLO":
                        offer = manner != "plain" and how == "clear"
                        sock.sendall(b"250-hop\\r\\n" + (b"250-STARTTLS\\r\\n" if offer else b"") + (b"250-REQUIRETLS\\r\\n" if manner == "promise" else b"") + (b"250-AUTH PLAIN\\r\\n" if manner in ("login", "parrot") and how == "tls" else b"") + b"250 8BITMIME\\r\\n")
                    elif verb == "STARTTLS":
                        if manner == "refuse":
                            sock.sendall(b"454 4.7.0 not now\\r\\n")
                            continue
                        sock.sendall(b"220 go\\r\\n" + (b"250 injected\\r\\n" if manner == "inject" else b""))
                        if manner == "garbage": sock.sendall(b"this is no handshake at all\\r\\n" * 10)
                        if manner in ("garbage", "close", "inject"):
                            sock.close()
                            f.close()
                            return
                        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                        context.load_cert_chain(chain, key)
                        context.sni_callback = lambda _, name, __: journal.write("%s sni %s\\n" % (place, name)) and None
                        sock = context.wrap_socket(sock, server_side=True)
                        f = sock.makefile("rb", buffering=0)
                        how = "tls"
                    elif verb == "AUTH":
                        sock.sendall(b"535 5.7.8 What is " + line if manner == "parrot" else b"235 2.7.0 ok\\r\\n")
                    elif verb == "DATA":
                        data = True
                        sock.sendall(b"354 go\\r\\n")
                    elif verb == "QUIT":
                        sock.sendall(b"221 bye\\r\\n")
                        return
                    else: sock.sendall(b"250 2.0.0 ok\\r\\n")
            except (OSError, ssl.SSLError) as e: journal.write("%s failed %s\\n" % (place, type(e).__name__))
            finally: sock.close()
        def listen(address, port, manner, chain, key):
            server = socket.create_server((address, int(port)), backlog=50)
            place = address + ":" + port
            def accept():
                while True:
                    sock, _ = server.accept()
                    threading.Thread(target=serve, args=(sock, place, manner, chain, key), daemon=True).start()
            threading.Thread(target=accept).start()
        rest = sys.argv[2:]
        while rest:
            listen(*rest[:5])
            rest = rest[5:]

        """
}
