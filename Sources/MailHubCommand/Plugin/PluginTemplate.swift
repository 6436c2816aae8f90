/// What `mailhub plugin new` writes.
enum PluginTemplate {
    /// Words of the language that begin with a capital letter, what every plugin uses, and the modules of the package.
    private static let taken: Set<String> = [
        "Any", "Self", "Type", "Protocol", "Swift", "Foundation", "Testing", "Logging", "Package", "String", "Suite",
        "Test",
        "ConfigurationSection", "PluginServices", "Reply", "EnhancedStatusCode", "Mailbox", "Envelope", "Stage",
        "Facts", "Fact",
        "TestHub", "PluginConformance",
        "Administration", "CGlibc", "CLDAP", "COpenSSL", "CUnbound", "CZlib", "CrashProbe", "DKIM", "DNSResolver",
        "Delivery",
        "HTTPSClient", "InternetMessage", "KeyValueStorage", "LDAPClient", "MailHub", "MailHubCommand", "MailHubPlugin",
        "MailHubPluginTesting", "MailQueue", "OAuth", "PluginBenchmark", "PluginTemplate", "PluginTestSupport",
        "Reception",
        "SASL", "SMTP", "TLSReports", "TestSupport", "TransportSecurity",
    ]
    /// Endings of types that every plugin uses.
    private static let takenEndings = ["Hook", "Tests", "Context", "Outcome"]

    /// Why a plugin cannot have the name; `nil` where it can.
    static func problem(withName name: String) -> String? {
        let letters = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        guard let first = name.first, first.isUppercase, name.allSatisfy({ letters.contains($0) }), name.count <= 60
        else {
            return "\"\(name)\" is not a name for a plugin: write it like HouseRules, "
                + "with ASCII letters and digits, a capital letter first."
        }
        guard !Self.taken.contains(name), !Self.takenEndings.contains(where: { name.hasSuffix($0) }),
            !registeredPlugins.contains(where: { $0.name == name })
        else {
            return "\"\(name)\" has a meaning already: choose another name."
        }
        return nil
    }

    /// The files, by their paths in the plugin's folder.
    static func files(name: String) -> [(path: String, text: String)] {
        [
            ("Sources/\(name).swift", Self.source(name)), ("Tests/\(name)Tests.swift", Self.test(name)),
            ("README.md", Self.readme(name)), ("config.sample.json", Self.sample(name)),
        ]
    }

    /// What the author does now.
    static func nextSteps(name: String, folder: String) -> String {
        let own = "Plugins/\(name)"
        let beginning =
            folder == own
            ? "Two lines make it part of the hub:"
            : "Move it to \(own) of the hub's sources (or see Examples/Embedding for a package of your own);\n"
                + "then two lines make it part of the hub:"
        return """
            \(folder) is written. \(beginning)

              Package.swift, at the end of "targets":
                + plugin("\(name)")

              Sources/MailHubCommand/RegisteredPlugins.swift, in the list (and `import \(name)` on top):
                \(name).self,

            Then:
              swift test --filter \(name)Tests
              \(own)/config.sample.json shows what to add to "plugins" in config.json
              docs/plugins.md shows the stages, and what may be answered at each
            """
    }

    private static func source(_ name: String) -> String {
        #"""
        public import MailHubPlugin

        /// Refuses messages that have a certain header field.
        public struct \#(name): HeaderHook {
            private let field: String

            /// Reads `"field"`; what is wrong in the configuration is collected by the section, and reported with its place.
            public init(configuration: ConfigurationSection, services: PluginServices) throws {
                self.field = configuration.requiredString("field")
            }

            /// Refuses a message with the field.
            public func header(
                _ message: MessageContext,
                _ transaction: TransactionContext,
                _ session: SessionContext
            ) async throws -> MessageOutcome {
                guard message.header.first(named: self.field) != nil else { return .next }
                session.logger.info("message has the field", metadata: ["queue-id": "\(transaction.queueIdentifier)"])
                return .reject(Reply(550, EnhancedStatusCode(7, 1), "Messages with \(self.field) are not taken here"))
            }
        }

        """#
    }

    private static func test(_ name: String) -> String {
        #"""
        import MailHubPlugin
        import MailHubPluginTesting
        import Testing

        @testable import \#(name)

        @Suite("\#(name)")
        struct \#(name)Tests {
            static let configuration = #"{ "field": "X-Advertisement" }"#

            @Test(
                "Messages with the field are refused, others are not",
                arguments: [
                    ("X-Advertisement: yes\r\n\r\nBuy\r\n", "550 5.7.1"), ("Subject: hello\r\n\r\nHi\r\n", "250 2.0.0"),
                ]
            )
            func refuses(content: String, reply: String) async throws {
                let hub = try TestHub([.init(\#(name).self, Self.configuration)])
                let client = try await hub.connect()
                _ = try await client.send("EHLO client.example.net")
                let answer = try await client.deliver(from: "a@example.net", to: ["ann@example.org"], content)
                #expect(answer.hasPrefix(reply), "\(answer)")
            }

            @Test("It bears whatever clients send")
            func conformance() async throws {
                let findings = try await PluginConformance.check(\#(name).self, configuration: Self.configuration)
                #expect(findings.isEmpty, "\(findings)")
            }
        }

        """#
    }

    private static func readme(_ name: String) -> String {
        """
        # \(name)

        Refuses messages that have a certain header field.

        Stages: `HeaderHook`, at the end of data.

        ## Configuration

        | Key | Meaning | Default |
        | --- | --- | --- |
        | `field` | The name of the field | must be there |

        [config.sample.json](config.sample.json) is an entry for `"plugins"` in config.json.

        ## Replies

        | When | Reply |
        | --- | --- |
        | end of data: the message has the field | `550 5.7.1` |

        ## How it fails

        It cannot: it asks nobody.

        """
    }

    private static func sample(_ name: String) -> String {
        """
        { "plugin": "\(name)", "onFailure": "defer", "configuration": { "field": "X-Advertisement" } }

        """
    }
}
