import Foundation
import LDAPClient
import Logging
import MailHubPlugin
import Testing

@testable import MailHub

@Suite("\"directory\" in config.json")
struct DirectoryConfigurationTests {
    /// Reads a `"directory"`: settings, and path and message of each problem.
    private func read(_ directory: String, folder: String = ".") throws -> (LDAPSettings?, [String]) {
        let root = try ConfigurationSection.parse("{ \"directory\": \(directory) }", folder: folder)
        let registry = PluginRegistry([]) { _, _ in fatalError("no plugins") }
        let settings = HubConfigurationReader(root: root, registry: registry).directory()
        return (settings, root.problems().map { "\($0.path): \($0.message)" })
    }

    @Test("everything is read")
    func everything() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "mailhub-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for name in ["password", "ca.pem", "c.pem", "k.pem"] {
            try Data("s3cret\n".utf8).write(to: folder.appending(path: name))
        }
        let (settings, problems) = try self.read(
            """
            { "urls": ["ldap://a.example", "ldaps://b.example:6360"], "profile": "activeDirectory", "base": "dc=example",
              "bind": { "dn": "cn=hub", "password": { "file": "password" } }, "startTLS": true, "authorities": "ca.pem",
              "clientCertificate": { "chain": "c.pem", "key": "k.pem" }, "connections": 4, "searchesPerConnection": 9,
              "pageSize": 1000, "entrySize": "1MiB", "timeouts": { "connect": "1s", "search": "2s", "total": "5s" } }
            """,
            folder: folder.path
        )
        #expect(problems.isEmpty, "\(problems)")
        let found = try #require(settings)
        #expect(found.servers.map(\.url) == ["ldap://a.example", "ldaps://b.example:6360"])
        #expect(found.profile == .activeDirectory && found.base == "dc=example" && found.usesStartTLS)
        #expect(found.bind == .simple(name: "cn=hub", password: "s3cret"))
        #expect(found.authorities == "\(folder.path)/ca.pem" && found.clientCertificate?.key == "\(folder.path)/k.pem")
        #expect(found.connections == 4 && found.searchesPerConnection == 9 && found.pageSize == 1000)
        #expect(found.messageSize == 1 << 20 && found.timeouts.search == .seconds(2))
    }

    @Test(
        "mistakes are told with their place",
        arguments: [
            ("{}", ["$.directory.base: missing", "$.directory.urls: no server"]),
            (
                "{ \"urls\": [\"x\"], \"base\": \"dc=x\" }",
                [
                    "$.directory.urls: no server",
                    "$.directory.urls[0]: \"x\" is not a URL such as \"ldaps://ldap.example.org\"",
                ]
            ),
            (
                "{ \"urls\": [\"ldaps://x\"], \"base\": \"dc=x\", \"authorities\": \"gone.pem\" }",
                [
                    "$.directory.authorities: cannot read \"./gone.pem\""
                ]
            ),
            (
                "{ \"urls\": [\"ldaps://x\"], \"base\": \"dc=x\", \"bind\": { \"dn\": \"cn=hub\" } }",
                [
                    "$.directory.bind.password: missing"
                ]
            ),
            (
                "{ \"urls\": [\"ldaps://x\"], \"base\": \"dc=x\", \"bind\": { \"dn\": \"cn=hub\", \"password\": 12 } }",
                [
                    "$.directory.bind.password: expected a secret"
                ]
            ),
            (
                "{ \"urls\": [\"ldaps://x\"], \"base\": \"dc=x\", \"bind\": { \"dn\": \"cn=hub\", "
                    + "\"password\": { \"environment\": \"NO_SUCH_VARIABLE\" } } }",
                ["$.directory.bind.password.environment: the environment has no variable \"NO_SUCH_VARIABLE\""]
            ),
            (
                "{ \"urls\": [\"ldapi://%2Fx\"], \"base\": \"dc=x\", \"bind\": { \"sasl\": \"GSSAPI\" } }",
                [
                    "$.directory.bind.sasl: \"GSSAPI\" is not supported"
                ]
            ),
            (
                "{ \"urls\": [\"ldap://x\", \"ldap://127.0.0.1\"], \"base\": \"dc=x\", \"bind\": { \"dn\": \"cn=hub\", "
                    + "\"password\": { \"environment\": \"PATH\" } } }",
                ["$.directory.bind: the password would go to ldap://x in the clear"]
            ),
            (
                "{ \"urls\": [\"ldaps://x\"], \"base\": \"dc=x\", \"timeouts\": { \"serach\": \"1s\", \"bind\": \"0s\" } }",
                [
                    "$.directory.timeouts.serach: unknown key", "$.directory.timeouts.bind: 0s is out of range",
                ]
            ),
        ]
    )
    func mistakes(_ text: String, _ expected: [String]) throws {
        #expect(try Set(self.read(text).1) == Set(expected))
    }

    @Test("a reload that leaves the settings as they are keeps the directory")
    func reload() throws {
        let service = DirectoryService(logger: Logger(label: "test"))
        let server = try #require(LDAPServer("ldap://127.0.0.1"))
        var settings = LDAPSettings(servers: [server], base: "dc=example")
        let first = service.directory(for: settings) as? LDAPDirectory
        #expect(service.directory(for: settings) as? LDAPDirectory === first)
        settings.base = "dc=other"
        #expect(service.directory(for: settings)?.base == "dc=other")
        #expect(service.directory(for: nil) == nil)
    }
}
