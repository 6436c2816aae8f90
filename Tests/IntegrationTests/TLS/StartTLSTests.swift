import Foundation
import TestSupport
import Testing

@Suite("RFC 3207 and RFC 8314: TLS of listeners, with real clients", .serialized)
struct StartTLSTests {
    @Test(
        """
        what came in the clear behind STARTTLS is dropped, EHLO is forgotten, STARTTLS is not offered again \
        (S3207-4-01, S3207-4.2-01, S3207-4.2-02, S3207-4.2-04)
        """
    )
    func commandInjection() async throws {
        try await onThread {
            guard let scene = try TLSScene() else { return }
            try scene.hub.start()
            let lines = try scene.run(
                """
                s, f = connect()
                reply(f)
                s.sendall(b"EHLO victim.example\\r\\nSTARTTLS\\r\\nMAIL FROM:<evil@example.net>\\r\\nEHLO evil.example\\r\\n")
                print("offered", "STARTTLS" in reply(f))
                print(reply(f))
                s, f = secure(s)
                print(ask(s, f, "MAIL FROM:<ann@example.net>"))
                hello = ask(s, f, "EHLO victim.example")
                print("hello", hello.splitlines()[0], "STARTTLS" in hello)
                print(ask(s, f, "STARTTLS"))
                print(ask(s, f, "STARTTLS now"))
                print(ask(s, f, "MAIL FROM:<ann@example.net>"))
                print(ask(s, f, "RCPT TO:<bob@example.org>"))
                print(ask(s, f, "DATA"))
                print(ask(s, f, "Subject: over TLS\\r\\n\\r\\nhello\\r\\n.")[:3])
                print(ask(s, f, "QUIT"))
                """
            )
            #expect(
                lines == [
                    "offered True", "220 2.0.0 Ready to start TLS", "503 5.5.1 Send EHLO or HELO first",
                    "hello 250-hub.example.org greets victim.example False", "503 5.5.1 TLS is active already",
                    "501 5.5.4 Syntax: no argument allowed", "250 2.1.0 Sender OK", "250 2.1.5 Recipient OK",
                    "354 Start mail input; end with <CRLF>.<CRLF>", "250",
                    "221 2.0.0 hub.example.org closing connection",
                ]
            )
            let message = try #require(try scene.waitForMail("bob").first)
            #expect(message.contains("with ESMTPS id "))
            #expect(message.contains("tls TLS_AES_128_GCM_SHA256 (TLSv1.3);"))
            #expect(scene.hub.log.contains("octets in the clear behind STARTTLS dropped"))
            let accepted = scene.hub.log.split(separator: "\n").first { $0.contains("message accepted") } ?? ""
            #expect(accepted.contains("TLSv1.3 TLS_AES_128_GCM_SHA256"))
        }
    }

    @Test("S8689-2-01: REQUIRETLS is offered inside TLS, and taken there alone")
    func requireTLS() async throws {
        try await onThread {
            guard let scene = try TLSScene() else { return }
            try scene.hub.start()
            let lines = try scene.run(
                """
                s, f = connect()
                reply(f)
                print("REQUIRETLS" in ask(s, f, "EHLO c.example"))
                print(ask(s, f, "MAIL FROM:<ann@example.net> REQUIRETLS"))
                ask(s, f, "STARTTLS")
                s, f = secure(s)
                print("REQUIRETLS" in ask(s, f, "EHLO c.example"))
                print(ask(s, f, "MAIL FROM:<ann@example.net> REQUIRETLS=yes"))
                print(ask(s, f, "MAIL FROM:<ann@example.net> RequireTLS"))
                print(ask(s, f, "RCPT TO:<bob@example.org>"))
                print(ask(s, f, "DATA")[:3])
                print(ask(s, f, "Subject: x\\r\\n\\r\\nhello\\r\\n.")[:3])
                """
            )
            #expect(
                lines == [
                    "False", "530 5.7.10 REQUIRETLS needs STARTTLS first", "True",
                    "501 5.5.4 Syntax: REQUIRETLS takes no value", "250 2.1.0 Sender OK", "250 2.1.5 Recipient OK",
                    "354", "250",
                ]
            )
            // A Maildir is where mail ends: nothing is sent on.
            #expect(try scene.waitForMail("bob").count == 1)
        }
    }

    @Test("S3207-4-02, S8314-3.4-01: mail for us is taken without TLS, too; who says QUIT inside TLS gets close_notify")
    func plainAndEnd() async throws {
        try await onThread {
            guard let scene = try TLSScene() else { return }
            try scene.hub.start()
            let lines = try scene.run(
                """
                with smtplib.SMTP("127.0.0.1", port) as c:
                    c.sendmail("a@example.net", ["bob@example.org"], "Subject: clear\\r\\n\\r\\nx\\r\\n")
                s = socket.create_connection(("127.0.0.1", implicit), timeout=30)
                # With this, an end without close_notify is an error.
                t = context.wrap_socket(s, server_hostname="hub.example.org", suppress_ragged_eofs=False)
                t.recv(1000)
                t.sendall(b"QUIT\\r\\n")
                print(t.recv(1000)[:3].decode(), t.recv(1000))
                """
            )
            #expect(lines == ["221 b''"])
            #expect(try scene.waitForMail("bob").first?.contains("with ESMTP id ") == true)
        }
    }

    @Test("STARTTLS where there is none, in a transaction, and with no handshake behind it (S3207-4-04)")
    func misplaced() async throws {
        try await onThread {
            guard let scene = try TLSScene() else { return }
            try scene.hub.start()
            let lines = try scene.run(
                """
                s, f = connect()
                reply(f)
                ask(s, f, "EHLO c.example")
                ask(s, f, "MAIL FROM:<ann@example.net>")
                print(ask(s, f, "STARTTLS"))
                print(ask(s, f, "RCPT TO:<bob@example.org>"))
                ask(s, f, "RSET")
                print(ask(s, f, "STARTTLS"))
                s.sendall(b"EHLO c.example\\r\\n")
                rest = b""
                while True:
                    try: piece = s.recv(4096)
                    except ConnectionError: break
                    if not piece: break
                    rest += piece
                print("closed", b"250" in rest)
                s, f = connect(implicit)
                s.sendall(b"EHLO c.example\\r\\n")
                rest = b""
                while True:
                    try: piece = s.recv(4096)
                    except ConnectionError: break
                    if not piece: break
                    rest += piece
                print("closed", b"220" in rest)
                """
            )
            #expect(
                lines == [
                    "503 5.5.1 End the transaction before STARTTLS", "250 2.1.5 Recipient OK",
                    "220 2.0.0 Ready to start TLS", "closed False", "closed False",
                ]
            )
            #expect(scene.hub.log.contains("TLS failed"))
        }
    }

    @Test("with starttls-required, everything else is answered with 530 (S3207-4-03, S3207-6-01)")
    func required() async throws {
        try await onThread {
            guard let scene = try TLSScene(mode: "starttls-required") else { return }
            try scene.hub.start()
            let lines = try scene.run(
                """
                s, f = connect()
                reply(f)
                for line in ["NOOP", "HELO c.example", "RSET", "MAIL FROM:<a@example.net>", "VRFY bob", "AUTH PLAIN",
                             "BDAT 5\\r\\nQUIT\\n", "HELP"]:
                    print(line.split()[0], ask(s, f, line) if line[0] != "B" else (s.sendall(b"BDAT 6\\r\\nQUIT\\r\\n"), reply(f))[1])
                print("offered", "STARTTLS" in ask(s, f, "EHLO c.example"))
                print(ask(s, f, "STARTTLS"))
                s, f = secure(s)
                ask(s, f, "EHLO c.example")
                print(ask(s, f, "MAIL FROM:<a@example.net>"))
                s, f = connect()
                reply(f)
                print(ask(s, f, "QUIT"))
                """
            )
            let refused = "530 5.7.0 Send STARTTLS first"
            #expect(
                lines == ["NOOP 250 2.0.0 OK", "HELO \(refused)", "RSET \(refused)", "MAIL \(refused)"]
                    + ["VRFY \(refused)", "AUTH \(refused)", "BDAT \(refused)", "HELP \(refused)", "offered True"]
                    + ["220 2.0.0 Ready to start TLS", "250 2.1.0 Sender OK"]
                    + ["221 2.0.0 hub.example.org closing connection"]
            )
        }
    }

    @Test("TLS from the start, smtplib both ways, and LMTP")
    func clients() async throws {
        try await onThread {
            let lmtpPort = try freePort()
            guard let scene = try TLSScene(), let swaks = try Peer.find("swaks") else { return }
            var text = try String(contentsOf: scene.hub.configurationFile, encoding: .utf8)
            let entry = """
                "listeners" : [ { "name": "lmtp", "address": "127.0.0.1", "port": \(lmtpPort), "role": "lmtp",
                  "tls": { "certificates": [ { "chain": "\(scene.certificate.chain)", "key": "\(scene.certificate.key)" } ] } },
                """
            text = text.replacingOccurrences(of: "\"listeners\" : [", with: entry)
            try Data(text.utf8).write(to: scene.hub.configurationFile)
            try scene.hub.start()
            let lines = try scene.run(
                """
                with smtplib.SMTP("127.0.0.1", port) as c:
                    c.starttls(context=context)
                    c.sendmail("a@example.net", ["one@example.org"], "Subject: 1\\r\\n\\r\\nx\\r\\n")
                with smtplib.SMTP_SSL("127.0.0.1", implicit, context=context) as c:
                    print(c.ehlo()[0], c.has_extn("starttls"))
                    c.sendmail("a@example.net", ["two@example.org"], "Subject: 2\\r\\n\\r\\nx\\r\\n")
                s, f = connect(\(lmtpPort))
                reply(f)
                ask(s, f, "LHLO c.example")
                ask(s, f, "STARTTLS")
                s, f = secure(s)
                ask(s, f, "LHLO c.example")
                ask(s, f, "MAIL FROM:<a@example.net>")
                ask(s, f, "RCPT TO:<three@example.org>")
                ask(s, f, "DATA")
                print(ask(s, f, "Subject: 3\\r\\n\\r\\nx\\r\\n.")[:3])
                """
            )
            #expect(lines == ["250 False", "250"])
            #expect(try scene.waitForMail("one").first?.contains("with ESMTPS id ") == true)
            #expect(try scene.waitForMail("two").first?.contains("with ESMTPS id ") == true)
            #expect(try scene.waitForMail("three").first?.contains("with LMTPS id ") == true)
            let (_, support) = try swaks.run(["--support"])
            guard support.contains("TLS supported") else {
                guard ProcessInfo.processInfo.environment["MAILHUB_REQUIRE_PEERS"] == nil else {
                    throw PeerFailure("swaks has no TLS: install libnet-ssleay-perl")
                }
                return print("skipped: swaks has no TLS")
            }
            for (options, user) in [
                (["--tls", "--port", "\(scene.hub.port)"], "four"),
                (["--tls-on-connect", "--port", "\(scene.implicitPort)"], "five"),
                (["--tls", "--tls-protocol", "tlsv1_2", "--port", "\(scene.hub.port)"], "six"),
            ] {
                let (status, output) = try swaks.run(
                    ["--server", "127.0.0.1", "--from", "a@example.net", "--to", "\(user)@example.org"] + options
                )
                #expect(status == 0, "\(output)")
                #expect(try scene.waitForMail(user).first?.contains("with ESMTPS id ") == true)
            }
        }
    }

    @Test("a connection that ends in the middle of DATA, with or without close_notify: nothing is accepted")
    func cutInData() async throws {
        try await onThread {
            guard let scene = try TLSScene() else { return }
            try scene.hub.start()
            _ = try scene.run(
                """
                for clean in [False, True]:
                    s, f = connect(implicit)
                    s, f = secure(s)
                    reply(f)
                    ask(s, f, "EHLO c.example")
                    ask(s, f, "MAIL FROM:<a@example.net>")
                    ask(s, f, "RCPT TO:<half@example.org>")
                    ask(s, f, "DATA")
                    s.sendall(b"Subject: half\\r\\n\\r\\nhalf of the message\\r\\n")
                    time.sleep(0.2)
                    if clean:
                        s.unwrap()
                    s.close()
                    f.close()
                with smtplib.SMTP_SSL("127.0.0.1", implicit, context=context) as c:
                    c.sendmail("a@example.net", ["whole@example.org"], "Subject: whole\\r\\n\\r\\nx\\r\\n")
                """
            )
            #expect(try scene.waitForMail("whole").count == 1)
            #expect(scene.hub.mailboxFiles("half").isEmpty)
            #expect(scene.hub.log.split(separator: "\n").filter { $0.contains("message accepted") }.count == 1)
            #expect(scene.hub.log.contains("client closed the connection without saying so in TLS"))
        }
    }

    @Test("10 MB through TLS, octet by octet")
    func largeMessage() async throws {
        try await onThread {
            guard let scene = try TLSScene() else { return }
            try scene.hub.start()
            _ = try scene.run(
                """
                body = "".join("line %d of a long message, with some text behind it\\r\\n" % n for n in range(200000))
                with smtplib.SMTP("127.0.0.1", port) as c:
                    c.starttls(context=context)
                    c.sendmail("a@example.net", ["large@example.org"], "Subject: large\\r\\n\\r\\n" + body + "..end\\r\\n")
                """
            )
            let message = try #require(try scene.waitForMail("large").first)
            var body = ""
            for number in 0..<200_000 { body += "line \(number) of a long message, with some text behind it\r\n" }
            let received = message.replacingOccurrences(of: "\r\n", with: "\n")
            #expect(received.hasSuffix("\n\n" + body.replacingOccurrences(of: "\r\n", with: "\n") + "..end\n"))
        }
    }

    @Test("hundreds of half-open handshakes are cut off in time, and do not keep others out")
    func halfOpen() async throws {
        try await onThread {
            guard let scene = try TLSScene(tls: ["handshakeTimeout": "1s"]) else { return }
            try scene.hub.start()
            let lines = try scene.run(
                """
                import resource
                sockets = []
                for n in range(300):
                    s = socket.create_connection(("127.0.0.1", implicit if n % 2 else port), timeout=30)
                    if n % 2 == 0:
                        f = s.makefile("rb", buffering=0)
                        reply(f)
                        ask(s, f, "STARTTLS")
                    elif n % 3 == 0:
                        s.sendall(b"\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01")
                    sockets.append(s)
                with smtplib.SMTP_SSL("127.0.0.1", implicit, context=context) as c:
                    print(c.noop()[0])
                closed = 0
                for s in sockets:
                    try:
                        while s.recv(4096): pass
                    except ConnectionError: pass
                    closed += 1
                print(closed)
                with smtplib.SMTP_SSL("127.0.0.1", implicit, context=context) as c:
                    print(c.noop()[0])
                """
            )
            #expect(lines == ["250", "300", "250"])
            #expect(scene.hub.log.contains("the TLS handshake took too long"))
        }
    }
}
