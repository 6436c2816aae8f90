import Foundation
import TestSupport
import Testing

@Suite("Bad TLS, against a hub that was built with a leak checker")
struct LeakTests {
    /// Where that hub is; `nil` where none was built: `.ci/run` does.
    private static var executable: URL? {
        ProcessInfo.processInfo.environment["MAILHUB_LEAK_CHECKED"].map { URL(filePath: $0) }
    }

    @Test(
        """
        garbage, truncated and oversized records, plain text, handshakes that stall, connections cut in DATA, broken \
        records, thousands that never begin: the hub goes on, and ends without a leak or a wrong access to memory
        """,
        .enabled(
            if: Self.executable != nil,
            "built with: swift build --sanitize=address, named by MAILHUB_LEAK_CHECKED"
        )
    )
    func badTLS() async throws {
        guard let executable = Self.executable else { return }
        try await onThread {
            guard let scene = try TLSScene(tls: ["handshakeTimeout": "5s"]) else { return }
            scene.hub.executable = executable
            var configuration = try scene.hub.configuration()
            configuration["listeners"] = (configuration["listeners"] as? [[String: Any]] ?? []).map { listener in
                listener.merging(["maximumConnections": 10_000, "maximumConnectionsPerClient": 10_000]) { $1 }
            }
            configuration["logging"] = ["level": "info"]
            try scene.hub.configure(configuration)
            try scene.hub.start()
            let lines = try scene.run(Self.program)
            #expect(lines == ["half-open 2000", "alive 250"])
            #expect(scene.hub.stop() == 0, "\(scene.hub.log.suffix(3000))")
            #expect(!scene.hub.log.contains("AddressSanitizer") && !scene.hub.log.contains("LeakSanitizer"))
            #expect(!scene.hub.log.contains("message accepted"))
        }
    }

    private static let program = """
        context = ssl._create_unverified_context()
        def tls():
            s, f = connect()
            reply(f)
            ask(s, f, "EHLO c.example")
            ask(s, f, "STARTTLS")
            f.close()
            return s
        for number in range(400):
            try:
                s, kind = tls(), number % 8
                if kind == 0: s.sendall(os.urandom(500))
                elif kind == 1: s.sendall(b"\\x16\\x03\\x01\\x02\\x00\\x01")
                elif kind == 2: s.sendall(b"\\x16\\x03\\x03\\xff\\xff" + os.urandom(2000))
                elif kind == 3: s.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
                elif kind == 4:
                    t = context.wrap_socket(s)
                    t.sendall(b"EHLO c\\r\\nMAIL FROM:<a@b.example>\\r\\nRCPT TO:<x@example.org>\\r\\nDATA\\r\\n")
                    t.recv(3000)
                    t.sendall(b"Subject: half\\r\\n\\r\\nx")
                    os.close(t.detach())
                    continue
                elif kind == 5:
                    t = context.wrap_socket(s)
                    t.sendall(b"EHLO c\\r\\nQUIT\\r\\n")
                    t.recv(3000)
                    t.close()
                    continue
                elif kind == 6:
                    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                    half = context.wrap_bio(incoming, outgoing)
                    try: half.do_handshake()
                    except ssl.SSLWantReadError: pass
                    s.sendall(outgoing.read())
                    s.recv(5000)
                else:
                    t = context.wrap_socket(s)
                    os.write(t.fileno(), b"\\x17\\x03\\x03\\x40\\x00" + os.urandom(16384))
                    try: t.recv(100)
                    except OSError: pass
                    t.close()
                    continue
                s.close()
            except OSError: pass
        idle = [socket.create_connection(("127.0.0.1", implicit), timeout=30) for _ in range(2000)]
        print("half-open", len(idle))
        # Each of them is closed by the hub when its time for a handshake is over.
        for s in idle: assert s.recv(100) == b""
        s, f = secure(tls())
        print("alive", ask(s, f, "EHLO c.example")[:3])
        ask(s, f, "QUIT")
        """
}
