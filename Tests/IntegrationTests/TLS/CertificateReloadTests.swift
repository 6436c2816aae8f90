import Foundation
import TestSupport
import Testing

@Suite("Certificates: checked, and taken into use when they change", .serialized)
struct CertificateReloadTests {
    @Test("changed files are used by new connections; open sessions go on; half a change keeps the old certificate")
    func reload() async throws {
        try await onThread {
            guard let scene = try TLSScene() else { return }
            let next = try scene.authority.issue("next", names: ["DNS:hub.example.org"])
            try scene.hub.start()
            let lines = try scene.run(
                """
                def shown():
                    s, f = connect(implicit)
                    s, f = secure(s)
                    return dict(x[0] for x in s.getpeercert()["subject"])["commonName"]
                def wait(what):
                    for n in range(300):
                        if what in open("\(scene.directory.url.path)/hub.log").read(): return True
                        time.sleep(0.1)
                    return False
                s, f = connect(implicit)
                s, f = secure(s)
                reply(f)
                print(shown())
                os.replace("\(next.chain)", "\(scene.certificate.chain)")
                print(wait("certificates kept"), shown())
                os.replace("\(next.key)", "\(scene.certificate.key)")
                found = wait("certificates reloaded")
                for n in range(100):  # each listener has its turn, and its line in the log
                    if shown() == "next": break
                    time.sleep(0.1)
                print(found, shown())
                print(ask(s, f, "NOOP"))
                """
            )
            #expect(lines == ["hub", "True hub", "True next", "250 2.0.0 OK"])
        }
    }

    @Test("SIGHUP takes other certificates")
    func hangUp() async throws {
        try await onThread {
            guard let scene = try TLSScene() else { return }
            let other = try scene.authority.issue("other", names: ["DNS:hub.example.org"])
            try scene.hub.start()
            let text = try String(contentsOf: scene.hub.configurationFile, encoding: .utf8)
                .replacingOccurrences(of: "hub.pem", with: "other.pem")
                .replacingOccurrences(of: "hub.key", with: "other.key")
            try Data(text.utf8).write(to: scene.hub.configurationFile)
            scene.hub.signal(SIGHUP)
            for _ in 0..<1000 where !scene.hub.log.contains("configuration reloaded") { usleep(10_000) }
            let lines = try scene.run(
                """
                s, f = connect(implicit)
                s, f = secure(s)
                print(dict(x[0] for x in s.getpeercert()["subject"])["commonName"])
                """
            )
            #expect(lines == ["other"])
            withExtendedLifetime(other) {}
        }
    }

    @Test("mailhub check names each file that cannot be used, with its path in the configuration")
    func check() async throws {
        try await onThread {
            guard let scene = try TLSScene(tls: ["minimumVersion": "TLSv1.4", "ciphers": "NONSENSE"]) else { return }
            let other = try scene.authority.issue("other", names: ["DNS:hub.example.org"])
            try FileManager.default.removeItem(atPath: scene.certificate.key)
            try FileManager.default.copyItem(atPath: other.key, toPath: scene.certificate.key)
            let (status, output) = try scene.hub.command("check")
            #expect(status == 1)
            #expect(output.contains("$.listeners[0].tls.certificates[0].key: "))
            #expect(output.contains("does not belong to the first certificate"))
            #expect(output.contains("$.listeners[0].tls.minimumVersion: "))
            try FileManager.default.removeItem(atPath: scene.certificate.chain)
            let (_, second) = try scene.hub.command("check")
            #expect(second.contains("$.listeners[1].tls.certificates[0].chain: "))
            #expect(second.contains("cannot be read (No such file or directory)"))
        }
    }

    @Test("mailhub check doubts that a server for the internet may insist on TLS (RFC 3207 section 4)")
    func doubt() async throws {
        try await onThread {
            guard let scene = try TLSScene(mode: "starttls-required") else { return }
            let (status, output) = try scene.hub.command("check")
            #expect(status == 0)
            #expect(!output.contains("note:"))
            let file = scene.hub.configurationFile
            let text = try String(contentsOf: file, encoding: .utf8)
            let port = try Regex("(\"port\"\\s*:\\s*)\(scene.hub.port)\\b")
            try Data(text.replacing(port) { "\($0.output[1].substring ?? "")25" }.utf8).write(to: file)
            let (second, noted) = try scene.hub.command("check")
            #expect(second == 0)
            #expect(noted.contains("refuses mail from servers that do not encrypt"), "\(noted)")
        }
    }
}
