import Aliases
import CallAhead
import DNSBlocklists
import Greylisting
import HeaderRewrite
import LDAPRecipients
import MailHubPlugin
import MailHubPluginTesting
import RateLimits
import SenderDomain
import SizeLimits
import StaticRecipients
import Testing

/// Does everything that it must not.
private struct Offender: SenderHook, RecipientHook, MessageHook {
    let store: any KeyValueStore

    init(configuration: ConfigurationSection, services: PluginServices) throws {
        for key in configuration.keys { _ = configuration.optionalSize(key) }
        self.store = services.store
    }

    func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome {
        guard transaction.envelope.reversePath != .null else { throw Broken() }
        return .reject(Reply(250, "b\u{FC}cher"))
    }

    func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome { .change([.drop]) }

    func message(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome { .next }
}

/// Writes a header field, with or without saying so.
private struct Tagger: HeaderHook {
    let declares: Bool
    init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.declares = configuration.boolean("declares", default: false)
    }
    var edits: Set<EditTarget> { self.declares ? [.headerField("x-tag")] : [] }
    func header(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome { .change([.header(.prepend(name: "X-Tag", value: "yes"))]) }
}

@Suite("The conformance suite finds what is wrong with a plugin, and nothing else")
struct ConformanceTests {
    @Test("Shipped plugins are fine", arguments: ShippedPlugin.all)
    func shipped(_ plugin: ShippedPlugin) async throws {
        let findings = try await PluginConformance.check(plugin.type, configuration: plugin.configuration)
        #expect(findings.isEmpty, "\(findings.map(\.description).joined(separator: "\n"))")
    }

    @Test("Throwing, a reply of the wrong class, and one that is no ASCII")
    func offender() async throws {
        let findings = try await PluginConformance.check(Offender.self).map(\.description)
        #expect(findings.contains("an ordinary message, delivered: sender: a reply of the wrong class: 250 b?cher"))
        #expect(findings.contains { $0.contains("sender: threw Broken") })
        #expect(findings.contains { $0.hasPrefix("a key that the plugin does not know") })
    }

    @Test("An edit that is not declared", arguments: [false, true])
    func edits(declares: Bool) async throws {
        let findings = try await PluginConformance.check(Tagger.self, configuration: #"{ "declares": \#(declares) }"#)
        let problem = #"header: changes the header field "x-tag", which its `edits` do not declare"#
        #expect(findings.contains { $0.problem == problem } != declares)
        #expect(findings.allSatisfy { $0.problem == problem })
    }
}

/// A plugin that comes with the hub, with a configuration that uses all of it.
struct ShippedPlugin: CustomTestStringConvertible, Sendable {
    let type: any HubPlugin.Type
    var configuration = "{}"
    var testDescription: String { self.type.name }

    static let all = [
        ShippedPlugin(type: StaticRecipients.self, configuration: #"{ "recipients": ["ann@example.org"] }"#),
        ShippedPlugin(
            type: SizeLimits.self,
            configuration: #"{ "message": "1MiB", "domains": { "example.org": "100KiB" } }"#
        ),
        ShippedPlugin(
            type: Aliases.self,
            configuration: #"{ "aliases": { "ann@example.org": ["bob@example.org", "eve@example.org"] } }"#
        ),
        ShippedPlugin(type: LDAPRecipients.self),
        ShippedPlugin(type: CallAhead.self),
        ShippedPlugin(type: Greylisting.self),
        ShippedPlugin(type: SenderDomain.self),
        ShippedPlugin(
            type: RateLimits.self,
            configuration: #"{ "limits": [{ "by": "client", "messages": 2, "per": "1m" }] }"#
        ),
        ShippedPlugin(
            type: DNSBlocklists.self,
            configuration: #"{ "lists": [{ "zone": "bl.example.net" }] }"#
        ),
        ShippedPlugin(
            type: HeaderRewrite.self,
            configuration: #"{ "rules": [{ "action": "add", "field": "X-Seen", "value": "yes" }] }"#
        ),
    ]
}
