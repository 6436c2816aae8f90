// The hub with plugins that answer `next` wherever they are asked: what calling them costs is measured by Benchmarks/plugins.py.
import MailHub
import MailHubPlugin

/// Answers `next` at every stage of a message's way through the hub.
protocol NextEverywhere: ConnectHook, HelloHook, SenderHook, RecipientResolver, RecipientHook, DataHook, HeaderHook,
    MessageHook, RecipientMessageHook, RouteHook, QueuedHook, DisconnectHook, DeliveryHook, DeliveryOutcomeHook
{}

extension NextEverywhere {
    func connected(_ session: SessionContext) async throws -> ConnectOutcome { .next }
    func hello(_ name: String, _ session: SessionContext) async throws -> HelloOutcome { .next }
    func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome { .next }
    func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution { .next }
    func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome { .next }
    func data(_ transaction: TransactionContext, _ session: SessionContext) async throws -> DataOutcome { .next }
    func header(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome { .next }
    func message(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome { .next }
    func message(
        _ message: MessageContext,
        for recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientMessageOutcome { .next }
    func route(for recipient: EnvelopeRecipient, _ transaction: TransactionContext) async throws -> RouteOutcome {
        .next
    }
    func queued(_ transaction: TransactionContext, size: Int, _ session: SessionContext) async throws {}
    func disconnected(_ session: SessionContext) async throws {}
    func deliver(_ delivery: DeliveryContext, _ message: MessageContext) async throws -> DeliveryVerdict { .next }
    func finished(_ delivery: DeliveryContext, _ outcomes: [DeliveryOutcome]) async throws {}
}

struct Next0: NextEverywhere { init(configuration: ConfigurationSection, services: PluginServices) {} }
struct Next1: NextEverywhere { init(configuration: ConfigurationSection, services: PluginServices) {} }
struct Next2: NextEverywhere { init(configuration: ConfigurationSection, services: PluginServices) {} }
struct Next3: NextEverywhere { init(configuration: ConfigurationSection, services: PluginServices) {} }
struct Next4: NextEverywhere { init(configuration: ConfigurationSection, services: PluginServices) {} }
struct Next5: NextEverywhere { init(configuration: ConfigurationSection, services: PluginServices) {} }
struct Next6: NextEverywhere { init(configuration: ConfigurationSection, services: PluginServices) {} }
struct Next7: NextEverywhere { init(configuration: ConfigurationSection, services: PluginServices) {} }
struct Next8: NextEverywhere { init(configuration: ConfigurationSection, services: PluginServices) {} }
struct Next9: NextEverywhere { init(configuration: ConfigurationSection, services: PluginServices) {} }

/// Says that every recipient exists: where all resolvers answer `next`, none does.
struct Everybody: RecipientResolver {
    init(configuration: ConfigurationSection, services: PluginServices) {}
    func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution {
        .found(ResolvedRecipient())
    }
}

/// Listens where no message comes by.
struct AtConnect: ConnectHook, DisconnectHook {
    init(configuration: ConfigurationSection, services: PluginServices) {}
    func connected(_ session: SessionContext) async throws -> ConnectOutcome { .next }
    func disconnected(_ session: SessionContext) async throws {}
}

try await Hub.run(
    configurationPath: CommandLine.arguments.last ?? "config.json",
    plugins: [
        Next0.self, Next1.self, Next2.self, Next3.self, Next4.self, Next5.self, Next6.self, Next7.self, Next8.self,
        Next9.self, Everybody.self, AtConnect.self,
    ]
)
