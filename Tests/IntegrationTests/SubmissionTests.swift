import Foundation
import TestSupport
import Testing

@Suite("RFC 6409, 8314 (S8314-3.3-01): users submit mail on 587 and 465", .serialized)
struct SubmissionTests {
    /// A hub whose two listeners are for submission, with the users ann and bob.
    private static func scene(_ more: [String: Any] = [:]) throws -> TLSScene? {
        guard let scene = try TLSScene() else { return nil }
        var configuration = try scene.hub.configuration()
        let listeners = (configuration["listeners"] as? [[String: Any]] ?? []).map { listener in
            listener.merging(["role": "submission"]) { $1 }
        }
        configuration["listeners"] = listeners
        configuration["relayNetworks"] = [String]()
        configuration["authentication"] = ["users": "users"].merging(more) { $1 }
        try scene.hub.configure(configuration)
        try Self.user("add", "ann", password: "s3cret wörd", scene)
        try Self.user("add", "bob", password: "pw", scene, "--address", "sales@example.org")
        return scene
    }

    private static func user(
        _ verb: String,
        _ name: String,
        password: String,
        _ scene: TLSScene,
        _ options: String...
    ) throws {
        let (status, output) = try HubProcess.run(
            ["user", verb, name, "--config", scene.hub.configurationFile.path] + options,
            input: Data("\(password)\n".utf8)
        )
        guard status == 0 else { throw PeerFailure("mailhub user \(verb): \(output)") }
    }

    @Test("smtplib, swaks and msmtp, each with STARTTLS and with TLS from the start")
    func clients() async throws {
        try await onThread {
            guard let scene = try Self.scene(), let swaks = try Peer.find("swaks"),
                let msmtp = try Peer.find("msmtp")
            else { return }
            try scene.hub.start()
            let lines = try scene.run(
                """
                with smtplib.SMTP("127.0.0.1", port) as c:
                    c.ehlo()
                    print(c.esmtp_features.get("auth").strip())
                    c.starttls(context=context)
                    c.ehlo()
                    print(c.esmtp_features.get("auth").strip())
                    c.login("bob", "pw")
                    c.sendmail("sales@example.org", ["one@example.org"], "Subject: 1\\r\\n\\r\\nx\\r\\n")
                with smtplib.SMTP_SSL("127.0.0.1", implicit, context=context) as c:
                    try: c.login("bob", "wrong")
                    except smtplib.SMTPAuthenticationError as e: print(e.smtp_code, e.smtp_error.decode())
                    try: c.sendmail("sales@example.org", ["one@example.org"], "Subject: 2\\r\\n\\r\\nx\\r\\n")
                    except smtplib.SMTPSenderRefused as e: print(e.smtp_code, e.smtp_error.decode())
                """
            )
            #expect(
                lines == [
                    "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN",
                    "535 5.7.8 Authentication credentials invalid", "530 5.7.0 Authentication required",
                ]
            )
            let first = try scene.waitForMail("one").first ?? ""
            #expect(first.contains("with ESMTPSA id "))
            #expect(first.contains("\r\nDate: ") && first.contains("\r\nMessage-ID: <"), "\(first)")
            for (options, user) in [
                (["--tls", "--auth", "PLAIN", "--port", "\(scene.hub.port)"], "two"),
                (["--tls-on-connect", "--auth", "LOGIN", "--port", "\(scene.implicitPort)"], "three"),
            ] {
                let (status, output) = try swaks.run(
                    ["--server", "127.0.0.1", "--from", "sales@example.org", "--to", "\(user)@example.org"]
                        + ["--auth-user", "bob", "--auth-password", "pw"] + options
                )
                #expect(status == 0, "\(output)")
                #expect(try scene.waitForMail(user).first?.contains("with ESMTPSA id ") == true)
            }
            for (method, port, user) in [
                ("scram-sha-256", scene.hub.port, "four"), ("plain", scene.implicitPort, "five"),
            ] {
                let (status, output) = try msmtp.run(
                    [
                        "--host=127.0.0.1", "--port=\(port)", "--tls=on", "--auth=\(method)", "--user=bob",
                        "--tls-starttls=\(port == scene.hub.port ? "on" : "off")",
                        "--tls-trust-file=\(scene.authority.certificate)", "--tls-host-override=hub.example.org",
                        "--passwordeval=echo pw", "--from=sales@example.org", "\(user)@example.org",
                    ],
                    input: Data("Subject: by msmtp\n\nHello\n".utf8)
                )
                #expect(status == 0, "\(output)")
                #expect(try scene.waitForMail(user).first?.contains("with ESMTPSA id ") == true)
            }
        }
    }

    @Test("SCRAM-SHA-256-PLUS is bound to the certificate; the client checks the server, too")
    func channelBinding() async throws {
        try await onThread {
            guard let scene = try Self.scene() else { return }
            try scene.hub.start()
            let lines = try scene.run(
                """
                import base64, hashlib, hmac
                def scram(password, flaw=False, first=None):
                    s, f = connect(implicit)
                    s, f = secure(s)
                    reply(f)
                    ask(s, f, "EHLO c.example")
                    gs2 = "p=tls-server-end-point,,"
                    bare = "n=ann,r=abcdefghijklmnopqrstuv"
                    start = first or gs2 + bare
                    mechanism = "SCRAM-SHA-256" if first else "SCRAM-SHA-256-PLUS"
                    answer = ask(s, f, f"AUTH {mechanism} " + base64.b64encode(start.encode()).decode())
                    if not answer.startswith("334"): return answer
                    challenge = base64.b64decode(answer[4:]).decode()
                    parts = dict(p.split("=", 1) for p in challenge.split(","))
                    binding = hashlib.sha256(s.getpeercert(True)).digest()
                    if flaw: binding = b"x" * 32
                    final = "c=" + base64.b64encode(gs2.encode() + binding).decode() + ",r=" + parts["r"]
                    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
                    mac = lambda key, text: hmac.new(key, text, hashlib.sha256).digest()
                    client = mac(salted, b"Client Key")
                    message = ",".join([bare, challenge, final]).encode()
                    signature = mac(hashlib.sha256(client).digest(), message)
                    proof = bytes(a ^ b for a, b in zip(client, signature))
                    final += ",p=" + base64.b64encode(proof).decode()
                    answer = ask(s, f, base64.b64encode(final.encode()).decode())
                    if not answer.startswith("334"): return answer
                    server = base64.b64decode(base64.b64decode(answer[4:]).decode()[2:])
                    assert server == mac(mac(salted, b"Server Key"), message)
                    return ask(s, f, "")
                print(scram("s3cret wörd"))
                print(scram("s3cret wörd", flaw=True))
                print(scram("wrong"))
                print(scram("s3cret wörd", first="y,,n=ann,r=abcdefghijklmnopqrstuv"))
                """
            )
            #expect(lines.first == "235 2.7.0 Authentication successful")
            #expect(Set(lines.dropFirst()) == ["535 5.7.8 Authentication credentials invalid"])
            #expect(lines.count == 4)
        }
    }

    @Test("a hub that delivers to a smart host binds its password to the TLS connection where it can")
    func bindsAsClient() async throws {
        try await onThread {
            guard let scene = try Self.scene(["mechanisms": ["SCRAM-SHA-256-PLUS"]]) else { return }
            try scene.hub.start()
            let folder = scene.directory.url.appending(path: "second")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let second = try HubProcess(
                folder: folder,
                route: [
                    "transport": "smtp", "host": "localhost", "port": scene.hub.port,
                    "authorities": scene.authority.certificate,
                    "authentication": ["user": "bob", "password": "pw"],
                ]
            )
            try second.start()
            defer { second.stop() }
            let client = try SMTPTestClient(port: second.port)
            _ = try client.expect("250", "EHLO c.example")
            let content = Array("Subject: bound\r\n\r\nx\r\n".utf8)
            let reply = try client.message(from: "sales@example.org", to: ["one@example.org"], content: content)
            #expect(reply.hasPrefix("250"))
            let message = try scene.waitForMail("one").first
            #expect(message?.contains("with ESMTPSA id ") == true, "\(second.log.suffix(2000))")
            scene.hub.stop()
        }
    }

    @Test("a changed file of users is taken into use; no password is in the log")
    func changedUsers() async throws {
        try await onThread {
            guard let scene = try Self.scene() else { return }
            try scene.hub.start()
            let login = """
                def login(user, password):
                    with smtplib.SMTP_SSL("127.0.0.1", implicit, context=context) as c:
                        try: return c.login(user, password)[0]
                        except smtplib.SMTPAuthenticationError as e: return e.smtp_code

                """
            #expect(try scene.run(login + "print(login('bob', 'pw'))") == ["235"])
            try Self.user("passwd", "bob", password: "other-Password", scene)
            guard eventually({ scene.hub.log.contains("users reloaded") }) else {
                throw PeerFailure("not reloaded: \(scene.hub.log)")
            }
            #expect(
                try scene.run(login + "print(login('bob', 'pw'), login('bob', 'other-Password'))") == ["535 235"]
            )
            let log = scene.hub.log
            #expect(!log.contains("other-Password") && !log.contains("b3RoZXItUGFzc3dvcmQ"))
            #expect(log.contains("authentication failed") && log.contains("client authenticated"))
            let users = try String(contentsOf: scene.directory.url.appending(path: "users"), encoding: .utf8)
            #expect(!users.contains("other-Password"))
            let attributes = try FileManager.default.attributesOfItem(
                atPath: scene.directory.url.appending(path: "users").path
            )
            #expect((attributes[.posixPermissions] as? Int).map { $0 & 0o077 } == 0)
        }
    }

    @Test("EXTERNAL: a client's certificate speaks for its user; a stranger's for nobody")
    func external() async throws {
        try await onThread {
            guard let scene = try Self.scene(),
                let stranger = try TestAuthority(folder: scene.directory.url.appending(path: "b"), name: "Stranger")
            else { return }
            let ann = try scene.authority.issue("client-ann", names: ["email:ann@example.org"])
            let other = try stranger.issue("client-other", names: ["email:ann@example.org"])
            var configuration = try scene.hub.configuration()
            configuration["listeners"] = (configuration["listeners"] as? [[String: Any]] ?? []).map { listener in
                var listener = listener
                var tls = listener["tls"] as? [String: Any] ?? [:]
                tls["clientCertificates"] = "request"
                tls["clientAuthorities"] = scene.authority.certificate
                listener["tls"] = tls
                return listener
            }
            try scene.hub.configure(configuration)
            try scene.hub.start()
            let lines = try scene.run(
                """
                def login(*lines, files=None):
                    own = ssl.create_default_context(cafile=authority)
                    if files: own.load_cert_chain(*files)
                    with smtplib.SMTP_SSL("127.0.0.1", implicit, context=own) as c:
                        c.ehlo()
                        answers = [str("EXTERNAL" in c.esmtp_features.get("auth"))]
                        for line in lines: answers.append(str(c.docmd(line)[0]))
                        return " ".join(answers)
                ann = ("\(ann.chain)", "\(ann.key)")
                other = ("\(other.chain)", "\(other.key)")
                bob = "AUTH EXTERNAL Ym9i"
                print(login("AUTH EXTERNAL =", "MAIL FROM:<ann@example.org>", files=ann))
                print(login("AUTH EXTERNAL", "", "MAIL FROM:<sales@example.org>", files=ann))
                print(login(bob, files=ann))
                print(login("AUTH EXTERNAL =", "MAIL FROM:<ann@example.org>", files=other))
                print(login("AUTH EXTERNAL ="))
                """
            )
            #expect(lines == ["True 235 250", "True 334 235 553", "True 535", "False 504 530", "False 504"])
        }
    }

    @Test("OAUTHBEARER and XOAUTH2: tokens of an issuer, whose keys change under way (S4954-4-09)")
    func tokens() async throws {
        try await onThread {
            guard
                let scene = try Self.scene([
                    "oauth": [
                        "issuer": "https://idp.example.org", "audience": "mailhub", "keys": "keys.json",
                        "scope": "smtp",
                    ]
                ]), let issuer = try TestIssuer(folder: scene.directory.url, .rs256),
                let next = try TestIssuer(folder: scene.directory.url, .es256, keyIdentifier: "k2")
            else { return }
            let keys = scene.directory.url.appending(path: "keys.json")
            try TestIssuer.keySet([issuer]).write(to: keys)
            try scene.hub.start()
            var claims: [String: Any] = [
                "iss": "https://idp.example.org", "aud": "mailhub", "email": "ann@example.org", "scope": "smtp",
                "exp": Date().timeIntervalSince1970 + 600, "long": String(repeating: "x", count: 4000),
            ]
            let right = try issuer.token(claims)
            let rolled = try next.token(claims)
            claims["exp"] = Date().timeIntervalSince1970 - 600
            let expired = try issuer.token(claims)
            let program = """
                import base64
                def login(mechanism, user, token, sender="ann@example.org"):
                    with smtplib.SMTP("127.0.0.1", port) as c:
                        c.ehlo()
                        assert mechanism not in c.esmtp_features.get("auth")
                        if token == "clear": return c.docmd("AUTH", mechanism)[0]
                        c.starttls(context=context)
                        c.ehlo()
                        assert mechanism in c.esmtp_features.get("auth")
                        first = "user=%s\\1" % user if mechanism == "XOAUTH2" else "n,a=%s,\\1host=hub\\1" % user
                        message = base64.b64encode((first + "auth=Bearer %s\\1\\1" % token).encode()).decode()
                        code, text = c.docmd("AUTH", mechanism + " " + message)
                        if code == 334:
                            return base64.b64decode(text).decode() + str(c.docmd("AQ==")[0])
                        return str(code) + " " + str(c.docmd("MAIL FROM:<%s>" % sender)[0])

                """
            let lines = try scene.run(
                program + """
                    right = "\(right)"
                    print(login("OAUTHBEARER", "ann@example.org", right))
                    print(login("XOAUTH2", "ann@example.org", right, "bob@example.org"))
                    print(login("XOAUTH2", "bob@example.org", right))
                    print(login("OAUTHBEARER", "ann@example.org", "\(expired)"))
                    print(login("OAUTHBEARER", "ann@example.org", "\(rolled)"))
                    print(login("XOAUTH2", "ann@example.org", "clear"))
                    """
            )
            let refused = #"{"status":"invalid_token","schemes":"bearer"}535"#
            #expect(lines == ["235 250", "235 553", refused, refused, refused, "538"], "\(scene.hub.log.suffix(2000))")
            try TestIssuer.keySet([issuer, next]).write(to: keys)
            #expect(eventually { scene.hub.log.contains("keys of tokens reloaded") })
            #expect(
                try scene.run(program + "print(login('OAUTHBEARER', 'ann@example.org', '\(rolled)'))") == ["235 250"]
            )
            for secret in [right, rolled, expired] { #expect(!scene.hub.log.contains(secret.suffix(40))) }
        }
    }
}
