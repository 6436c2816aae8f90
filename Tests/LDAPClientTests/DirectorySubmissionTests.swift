import Foundation
import TestSupport
import Testing

@Suite("RFC 4954 section 4: users of the directory submit mail", .timeLimit(.minutes(2)))
struct DirectorySubmissionTests {
    private static let users = Entries.tree + Entries.user("ann", mail: "ann.smith@example.org", password: "s3cret")

    @Test("235, 535, own addresses, and 454 while the directory is down")
    func login() async throws {
        try await onThread {
            let folder = try TemporaryDirectory()
            guard let slapd = try Slapd.start(Self.users), let python = try Peer.find("python3"),
                let authority = try TestAuthority(folder: folder.url.appending(path: "authority"))
            else { return }
            let certificate = try authority.issue("hub", names: ["DNS:hub.example.org"])
            let hub = try HubProcess(
                folder: folder.url,
                listener: [
                    "role": "submission",
                    "tls": ["certificates": [["chain": certificate.chain, "key": certificate.key]]],
                ],
                more: [
                    "directory": ["urls": [slapd.url], "base": "dc=example,dc=org"],
                    "authentication": ["directory": true], "relayNetworks": [String](),
                ]
            )
            try hub.start()
            let program = folder.url.appending(path: "login.py")
            try Data(
                """
                import smtplib, ssl, sys
                context = ssl.create_default_context(cafile="\(authority.certificate)")
                context.check_hostname = False
                for user, password, sender in [a.split(",") for a in sys.argv[1:]]:
                    with smtplib.SMTP("127.0.0.1", \(hub.port)) as c:
                        c.starttls(context=context)
                        try: c.login(user, password)
                        except smtplib.SMTPAuthenticationError as e:
                            print(e.smtp_code)
                            continue
                        print(c.mail(sender)[0])
                """.utf8
            ).write(to: program)
            func codes(_ attempts: String...) throws -> [String] {
                try python.run([program.path] + attempts).output.split(separator: "\n").map(String.init)
            }
            let known = try codes(
                "ann,s3cret,ann.smith@example.org",
                "ann,s3cret,ann@example.org",
                "ann,wrong,x@example.org",
                "nobody,s3cret,x@example.org"
            )
            #expect(known == ["250", "553", "535", "535"], "\(hub.log.suffix(2000))")
            slapd.stop()
            #expect(try codes("ann,s3cret,ann.smith@example.org") == ["454"], "\(hub.log.suffix(2000))")
            #expect(!hub.log.contains("s3cret"))
        }
    }
}
