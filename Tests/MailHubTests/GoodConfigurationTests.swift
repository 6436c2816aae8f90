import DKIM
import Delivery
import Foundation
import MailHubPlugin
import MailQueue
import OAuth
import Reception
import SMTP
import Testing

@testable import MailHub

@Suite("Good configurations")
struct GoodConfigurationTests {
    private static let smallest = """
        { "hostname": "hub.example.org", "listeners": [{ "name": "mx", "address": "127.0.0.1" }] }
        """

    @Test func `What is left out has the default that the documentation names`() throws {
        let read = try HubConfiguration.read(Self.smallest)
        #expect(read.host.text == "hub.example.org")
        #expect(read.postmaster == Mailbox("postmaster@hub.example.org"))
        #expect(read.listeners == [ListenerSettings(name: "mx", address: "127.0.0.1", port: 25, role: .mx)])
        let limits = try #require(read.listeners.first).limits
        #expect(self.counts(limits) == [1000, 50, 1000, 1000, 20])
        #expect(limits.messageSize == 50 << 20)
        #expect([limits.commandTime, limits.dataTime] == [.seconds(300), .seconds(300)])
        #expect(read.domains.isEmpty && read.relayNetworks.isEmpty && read.routes.isEmpty && read.plugins.isEmpty)
        #expect(read.defaultRoute == nil)
        #expect(read.queue.directory == "/etc/mailhub/var/queue")
        #expect(read.queue.retry.intervals.map(\.components.seconds) == [300, 900, 1800, 3600, 7200, 14400])
        #expect([read.queue.retry.warnAfter, read.queue.retry.expireAfter] == [.seconds(14400), .seconds(432_000)])
        #expect(read.queue.maximumActive == 5000)
        #expect(read.throttles.standard.concurrency == 20 && read.throttles.standard.messages == nil)
        #expect(
            [read.throttles.standard.firstPause, read.throttles.standard.longestPause] == [
                .seconds(60), .seconds(3600),
            ]
        )
        #expect(read.throttles.named.isEmpty)
        #expect(read.dns == DNSConfiguration(servers: [], usesIPv6: true, timeLimit: .seconds(10)))
        #expect(read.logging == LoggingConfiguration(format: .text, level: .info))
        #expect(read.controlSocket == "/etc/mailhub/var/run/control.sock")
        #expect(self.counts(read.delivery) == [500, 1000, 25])
        #expect(self.seconds(read.delivery.timeouts) == [30, 300, 300, 300, 300, 120, 180, 600, 10])
        #expect(read.delivery.idleTime == .seconds(5))
        #expect(read.shutdownGrace == .seconds(30) && read.eventLoops == nil)
    }

    @Test func `Everything can be set`() throws {
        let read = try HubConfiguration.read(everythingSet)
        #expect(read.postmaster == Mailbox("ann@example.org"))
        #expect(read.listeners.map(\.name) == ["mx", "inside"])
        #expect(read.listeners.map(\.role) == [.mx, .lmtp])
        #expect(read.listeners.map(\.port) == [2525, 2424])
        #expect(read.listeners.map(\.answersVerify) == [true, false])
        #expect(read.listeners.map(\.differingVerdicts) == [.hold, .refuse])
        let limits = try #require(read.listeners.first).limits
        #expect(self.counts(limits) == [10, 5, 7, 200, 3])
        #expect(limits.messageSize == 10 << 20)
        #expect([limits.commandTime, limits.dataTime] == [.seconds(60), .seconds(90)])
        #expect(read.domains == [try domain("example.org"): "mailstore", try domain("example.com"): "store.tcp"])
        #expect(
            read.relayNetworks == [try #require(IPNetwork("127.0.0.0/8")), try #require(IPNetwork("2001:db8::/32"))]
        )
        #expect(
            read.routes == [
                "mailstore": .fixed(.lmtp, .unixSocket(path: "/run/dovecot/lmtp")),
                "store.tcp": .fixed(.lmtp, .host("192.0.2.9", port: 24)),
                "smart_host": .fixed(.smtp, .host("out.internal", port: 2525)),
                "files": .maildir(directory: "/etc/mailhub/mail"),
                "internet": .mx,
            ]
        )
        #expect(read.defaultRoute == "smart_host")
        #expect(read.routeTLS["smart_host"]?.policy == .verify && read.routeAuthentication["smart_host"]?.user == "hub")
        #expect(read.queue.directory == "/var/lib/mailhub/queue")
        #expect(read.queue.retry.intervals == [.seconds(60), .seconds(5400)])
        #expect([read.queue.retry.warnAfter, read.queue.retry.expireAfter] == [.seconds(7200), .seconds(259_200)])
        #expect(read.queue.maximumActive == 200)
        #expect(read.throttles.standard.concurrency == 3)
        #expect(read.throttles.limits(for: Destination(route: "mailstore", domain: "")).concurrency == 50)
        let big = read.throttles.limits(for: Destination(route: "internet", domain: "big.example"))
        #expect(big.concurrency == 5 && big.messages == 100 && big.period == .seconds(120))
        #expect([big.firstPause, big.longestPause] == [.milliseconds(500), .seconds(600)])
        #expect(
            read.dns
                == DNSConfiguration(
                    servers: ["127.0.0.1@5353", "::1"],
                    usesIPv6: false,
                    timeLimit: .seconds(3),
                    trustAnchor: trustAnchor
                )
        )
        #expect(read.mtaSTS?.port == 4443 && read.mtaSTS?.timeLimit == .seconds(7))
        #expect(read.tokens?.settings.userClaim == "sub" && read.tokens?.settings.scope == "smtp")
        #expect(read.tlsReports?.organization == "Example" && read.tlsReports?.contact == Mailbox("tls@example.org"))
        #expect(read.tlsReports?.signer?.record.name == "2026._domainkey.mail.example.org")
        #expect(read.plugins.map(\.name) == ["known", "SizeLimits"])
        let known = try #require(read.plugins.first)
        #expect(known.timeLimit == .seconds(1) && known.timeLimits == [.recipient: .seconds(2)])
        #expect(known.onFailure == .ignore)
        #expect(read.logging == LoggingConfiguration(format: .json, level: .debug))
        #expect(read.controlSocket == "/run/mailhub/control.sock")
        #expect(self.counts(read.delivery) == [9, 8, 2600])
        #expect(self.seconds(read.delivery.timeouts) == [1, 2, 3, 4, 5, 6, 7, 8, 9])
        #expect(read.delivery.idleTime == .seconds(10))
        #expect(read.shutdownGrace == .seconds(70) && read.eventLoops == 2)
    }

    @Test(arguments: [
        (#""domains": { "b.example.org": { "route": "x" }, "a.example.org": { "route": "x" } }"#, "b.example.org"),
        (#""domains": {}"#, "hub.example.org"),
    ])
    func `The postmaster is that of the first domain, or of the host`(domains: String, host: String) throws {
        let routes = #""routes": { "x": { "transport": "maildir", "directory": "/m" } }"#
        let text = Self.smallest.dropLast(2) + ", \(domains), \(routes) }"
        #expect(try HubConfiguration.read(String(text)).postmaster == Mailbox("postmaster@\(host)"))
    }

    @Test(arguments: [
        (#""routes": { "internet": { "transport": "smtp", "lookup": "mx" } }"#, "internet" as String?),
        (#""routes": { "world": { "transport": "smtp", "lookup": "mx" } }"#, nil),
        (#""routes": { "world": { "transport": "smtp", "lookup": "mx" } }, "defaultRoute": "world""#, "world"),
    ])
    func `The default route is the one that is named, or internet`(keys: String, route: String?) throws {
        #expect(try HubConfiguration.read("\(Self.smallest.dropLast(2)), \(keys) }").defaultRoute == route)
    }

    @Test func `A file is read relative to its own folder, and a missing one is a problem`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "mailhub-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "config.json")
        do {
            _ = try HubConfigurationReader.read(path: file.path, registry: .shipped)
            Issue.record("a missing file is accepted")
        } catch {
            #expect(error.problems.map(\.message) == ["cannot read the configuration: there is no such file"])
        }
        try Data(Self.smallest.utf8).write(to: file)
        let read = try HubConfigurationReader.read(path: file.path, registry: .shipped)
        #expect(read.queue.directory == "\(folder.path)/var/queue")
    }

    @Test func `The configuration of the repository is one`() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "config.json")
        let read = try HubConfigurationReader.read(path: file.path, registry: .shipped)
        #expect(read.listeners.map(\.port) == [2525, 2525])
        #expect(read.plugins.count == 2)
    }

    private func counts(_ limits: SessionLimits) -> [Int] {
        [limits.connections, limits.connectionsPerClient, limits.messages, limits.recipients, limits.errors]
    }

    private func counts(_ delivery: DeliveryConfiguration) -> [Int] {
        [delivery.maximumSessions, delivery.messagesPerConnection, delivery.port]
    }

    private func seconds(_ timeouts: ClientTimeouts) -> [Int64] {
        let durations = [
            timeouts.connect, timeouts.greeting, timeouts.hello, timeouts.mail, timeouts.recipient, timeouts.data,
            timeouts.block, timeouts.endOfData, timeouts.quit,
        ]
        return durations.map(\.components.seconds)
    }

    private func domain(_ text: String) throws -> Domain { try #require(Domain(text)) }
}

/// A file without users, readable by its owner alone.
private let emptyFile: String = {
    let path = FileManager.default.temporaryDirectory.appending(path: "users-\(UUID().uuidString)").path
    _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
    return path
}()

/// A file with the public key of RFC 7517 appendix A.1.
private let keySet: String = {
    let path = FileManager.default.temporaryDirectory.appending(path: "keys-\(UUID().uuidString)").path
    let point = #""x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM""#
    let text = #"{"keys":[{"kty":"EC","crv":"P-256","kid":"1",\#(point)}]}"#
    _ = FileManager.default.createFile(atPath: path, contents: Data(text.utf8))
    return path
}()

/// A file with a private key that signs reports and belongs to `ownCertificate`.
let signingKey: String = {
    let path = FileManager.default.temporaryDirectory.appending(path: "key-\(UUID().uuidString)").path
    let key = "MC4CAQAwBQYDK2VwBCIEIBcxe3wDW5n3KixUwZGjcjeVRsj0qQUWHcB5OuGUjRzX"
    let text = "-----BEGIN PRIVATE KEY-----\n\(key)\n-----END PRIVATE KEY-----\n"
    _ = FileManager.default.createFile(atPath: path, contents: Data(text.utf8))
    return path
}()

/// A file with a certificate that lasts for a hundred years.
private let ownCertificate: String = {
    let path = FileManager.default.temporaryDirectory.appending(path: "certificate-\(UUID().uuidString)").path
    let text = """
        -----BEGIN CERTIFICATE-----
        MIIBQjCB9aADAgECAhQwWLFKlyRDcCMs6VFTVNN+P9UJMjAFBgMrZXAwFjEUMBIG
        A1UEAwwLaHViLmV4YW1wbGUwIBcNMjYxMTI3MDYyMDI1WhgPMjEyNjExMDMwNjIw
        MjVaMBYxFDASBgNVBAMMC2h1Yi5leGFtcGxlMCowBQYDK2VwAyEA2PxAqFlt0IuX
        n6Q75JbJZDkOdVNUAlQ+QnPM2I9qQdmjUzBRMB0GA1UdDgQWBBTax3WR/q8VxIcV
        s1/Tj6ju6EqHYjAfBgNVHSMEGDAWgBTax3WR/q8VxIcVs1/Tj6ju6EqHYjAPBgNV
        HRMBAf8EBTADAQH/MAUGAytlcANBAHB3EKJDmCpLiWZ9nUi0uW6A6NZyXjmadgg5
        d0+RrqE+ItPU2dobbFzc0eW15QW7Dxp7a2AG8LsHmm4SghAG3Q8=
        -----END CERTIFICATE-----

        """
    _ = FileManager.default.createFile(atPath: path, contents: Data(text.utf8))
    return path
}()

/// A file with a key of the DNS, as IANA has published it for the root.
private let trustAnchor: String = {
    let path = FileManager.default.temporaryDirectory.appending(path: "anchor-\(UUID().uuidString)").path
    let digest = "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"
    _ = FileManager.default.createFile(atPath: path, contents: Data(". IN DS 20326 8 2 \(digest)\n".utf8))
    return path
}()

/// Each key, with a value that is not its default.
let everythingSet = """
    {
      "hostname": "hub.example.org",
      "postmaster": "ann@example.org",
      "listeners": [
        {
          "name": "mx", "address": "127.0.0.1", "port": 2525, "role": "mx",
          "maximumConnections": 10, "maximumConnectionsPerClient": 5, "maximumMessagesPerConnection": 7,
          "maximumRecipients": 200, "maximumErrors": 3, "messageSize": "10MiB",
          "commandTimeout": "1m", "dataTimeout": "1m30s", "verify": true,
          "tls": {
            "mode": "none", "certificates": [{ "chain": "c.pem", "key": "k.pem" }], "minimumVersion": "TLSv1.3",
            "ciphers": "ECDHE+AESGCM", "clientCertificates": "request", "clientAuthorities": "ca.pem",
            "handshakeTimeout": "10s"
          },
          "differingVerdicts": "hold"
        },
        { "name": "inside", "address": "::1", "port": 2424, "role": "lmtp" }
      ],
      "domains": { "example.org": { "route": "mailstore" }, "Example.COM": { "route": "store.tcp" } },
      "relayNetworks": ["127.0.0.0/8", "2001:db8::/32"],
      "routes": {
        "mailstore": { "transport": "lmtp", "socket": "/run/dovecot/lmtp" },
        "store.tcp": { "transport": "lmtp", "host": "192.0.2.9" },
        "smart_host": {
          "transport": "smtp", "host": "out.internal", "port": 2525,
          "authentication": { "user": "hub", "password": "p" }
        },
        "files": { "transport": "maildir", "directory": "mail" },
        "internet": {
          "transport": "smtp", "lookup": "mx", "tls": "may", "tlsDomains": { "partner.example": "verify" },
          "tlsNames": ["mx.partner.example"],
          "clientCertificate": { "chain": "\(ownCertificate)", "key": "\(signingKey)" }
        }
      },
      "defaultRoute": "smart_host",
      "queue": {
        "directory": "/var/lib/mailhub/queue", "retry": ["1m", "1h30m"], "warnAfter": "2h", "expireAfter": "3d",
        "maximumActive": 200
      },
      "throttles": {
        "default": { "concurrency": 3 },
        "mailstore": { "concurrency": 50 },
        "BIG.example": {
          "concurrency": 5, "messages": 100, "per": "2m", "firstPause": "500ms", "longestPause": "10m"
        }
      },
      "directory": {
        "urls": ["ldaps://ldap.example.org"], "base": "dc=example,dc=org", "profile": "activeDirectory",
        "bind": { "dn": "cn=hub,dc=example,dc=org", "password": "s3cret" }, "startTLS": true, "cleartext": false,
        "authorities": "/etc/passwd", "clientCertificate": { "chain": "/etc/passwd", "key": "/etc/passwd" },
        "connections": 3, "searchesPerConnection": 50, "pageSize": 900, "entrySize": "1MiB",
        "timeouts": {
          "connect": "1500ms", "tls": "1s", "bind": "1s", "search": "1s", "total": "5s", "retry": "5s", "idle": "9s"
        }
      },
      "delivery": {
        "idleTimeout": "10s", "maximumSessions": 9, "messagesPerConnection": 8, "port": 2600,
        "timeouts": {
          "connect": "1s", "greeting": "2s", "hello": "3s", "handshake": "3s", "mail": "4s", "recipient": "5s", "data": "6s",
          "block": "7s", "endOfData": "8s", "quit": "9s"
        }
      },
      "authentication": { "users": "\(emptyFile)", "senders": "any", "mechanisms": ["PLAIN"], "directory": true,
        "oauth": {
          "issuer": "https://idp.example.org", "audience": "mailhub", "userClaim": "sub", "scope": "smtp",
          "keys": "\(keySet)"
        } },
      "dns": { "servers": ["127.0.0.1@5353", "::1"], "ipv6": false, "timeout": "3s", "trustAnchor": "\(trustAnchor)" },
      "tlsReports": {
        "enabled": true, "organization": "Example", "contact": "tls@example.org",
        "authorities": "/etc/ssl/certs/ca-certificates.crt",
        "dkim": { "domain": "mail.example.org", "selector": "2026", "key": "\(signingKey)" }
      },
      "mtaSTS": { "port": 4443, "timeout": "7s", "authorities": "/etc/ssl/certs/ca-certificates.crt", "enabled": true },
      "plugins": [
        {
          "plugin": "StaticRecipients", "name": "known", "timeout": "1s", "onFailure": "ignore",
          "timeouts": { "recipient": "2s" }, "breaker": { "failures": 2, "pause": "1m" },
          "configuration": { "recipients": ["ann@example.org"] }
        },
        { "plugin": "SizeLimits" }
      ],
      "logging": { "format": "json", "level": "debug" },
      "control": { "socket": "/run/mailhub/control.sock" },
      "shutdownGrace": "1m10s",
      "eventLoops": 2
    }
    """
