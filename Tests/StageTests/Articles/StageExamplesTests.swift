import MailHubPlugin
import MailHubPluginTesting
import Testing

@Suite("The examples of the articles about stages")
struct StageExamplesTests {
    static let examples: [ShippedPlugin] = [
        ShippedPlugin(type: OfficeHours.self), ShippedPlugin(type: ModernTLS.self),
        ShippedPlugin(type: NotOurName.self),
        ShippedPlugin(type: OneUser.self, configuration: #"{ "password": "secret" }"#),
        ShippedPlugin(type: SmallFromStrangers.self), ShippedPlugin(type: Staff.self),
        ShippedPlugin(
            type: MovedAway.self,
            configuration: #"{ "old": "ann@example.org", "new": "bob@example.org" }"#
        ), ShippedPlugin(type: FewRecipients.self, configuration: #"{ "most": 1 }"#),
        ShippedPlugin(type: NoBulk.self), ShippedPlugin(type: NoPrograms.self), ShippedPlugin(type: MarkForLists.self),
        ShippedPlugin(type: ArchiveRoute.self), ShippedPlugin(type: CountMessages.self),
        ShippedPlugin(type: Farewell.self),
        ShippedPlugin(type: RewriteSender.self, configuration: #"{ "reports": "srs@example.org" }"#),
        ShippedPlugin(type: CountFailures.self), ShippedPlugin(type: RefusalLog.self),
    ]

    @Test("They pass the conformance suite", arguments: Self.examples)
    func conform(_ example: ShippedPlugin) async throws {
        let findings = try await PluginConformance.check(example.type, configuration: example.configuration)
        #expect(findings.isEmpty, "\(findings.map(\.description).joined(separator: "\n"))")
    }

    @Test("AuthenticationHook: the claim is true, false, or somebody else's to judge")
    func authentication() async throws {
        let hub = try TestHub([TestHub.Plugin(OneUser.self, #"{ "password": "secret" }"#)])
        let plugin = try #require(hub.plugin(OneUser.self))
        let session = Self.session
        func answer(_ user: String, _ password: String) async throws -> String {
            let claim = AuthenticationClaim(mechanism: "PLAIN", authenticationIdentity: user, password: password)
            return switch try await plugin.authenticate(claim, session) {
            case .accept(let identity): "accept \(identity)"
            case .reject: "reject"
            case .next: "next"
            case .unavailable: "unavailable"
            }
        }
        #expect(try await answer("scanner", "secret") == "accept scanner")
        #expect(try await answer("scanner", "secrets") == "reject")
        #expect(try await answer("scanner", "") == "reject")
        #expect(try await answer("ann", "secret") == "next")
    }

    @Test("TLSHook: by the protocol", arguments: [("TLSv1.2", false), ("TLSv1.3", true)])
    func tls(version: String, isFine: Bool) async throws {
        let plugin = try #require(try TestHub([TestHub.Plugin(ModernTLS.self)]).plugin(ModernTLS.self))
        let facts = TLSFacts(version: version, cipher: "TLS_AES_128_GCM_SHA256")
        let outcome = try await plugin.encrypted(facts, Self.session)
        if case .reject = outcome { #expect(!isFine) } else { #expect(isFine) }
    }

    static var session: SessionContext {
        SessionContext(
            identifier: "s1",
            clientAddress: .ipv4(0xC000_0207),
            listener: "mx",
            role: .submission,
            helloName: "c.example",
            isRelayClient: false,
            facts: Facts(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
    }
}
