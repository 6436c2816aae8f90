import MailHub
import MailHubPlugin

/// A private plugin: refuses mail from one domain.
struct NoNewsletters: SenderHook {
    let domain: Domain?
    init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.domain = configuration.domain("domain")
    }
    func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome {
        guard case .mailbox(let sender) = transaction.envelope.reversePath, let domain = self.domain,
            sender.domain == domain
        else { return .next }
        return .reject(Reply(550, EnhancedStatusCode(7, 1), "No newsletters"))
    }
}

try await Hub.run(configurationPath: CommandLine.arguments.last ?? "config.json", plugins: [NoNewsletters.self])
