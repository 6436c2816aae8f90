import MailHubPlugin
import PluginTestSupport
import StaticRecipients

private let servedDomains = ["example.org", "example.net", "other.example"]

/// What the hub says about a configuration: path and message of each problem.
func problems(in configuration: String, folder: String = ".") throws -> [String] {
    try TestServices().read(StaticRecipients.self, configuration, folder: folder, servedDomains: servedDomains).problems
}

/// What the plugin says about an address, in short: its last edit, where it knows the address.
func answer(for address: String, _ configuration: String) async throws -> String {
    let plugin = try TestServices().make(StaticRecipients.self, configuration, servedDomains: servedDomains)
    guard let mailbox = Mailbox(address) else { return "no address" }
    let resolution = try await plugin.resolve(mailbox, session())
    guard case .found(let recipient) = resolution else { return describe(resolution) }
    return recipient.edits.last.map { describe($0) } ?? "found"
}
