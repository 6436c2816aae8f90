import MailHubPlugin
import StaticRecipients

/// A resolver plugin must not need: it knows nothing.
struct NoNames: NameResolver {
    func mailExchangers(of domain: String) async -> Lookup<[MailExchanger]> { .notFound }
    func addresses(of host: String) async -> Lookup<[IPAddress]> { .notFound }
    func texts(of name: String) async -> Lookup<[String]> { .notFound }
    func names(of address: IPAddress) async -> Lookup<[String]> { .notFound }
}

struct FixedClock: WallClock {
    let now = Timestamp(milliseconds: 1_700_000_000_000)
}

/// Reads a configuration for a hub that serves `example.org`, `example.net` and `other.example`.
private func make(_ configuration: ConfigurationSection) throws -> StaticRecipients {
    let services = PluginServices(
        logger: Logger(label: "test"),
        clock: FixedClock(),
        resolver: NoNames(),
        servedDomains: Set(["example.org", "example.net", "other.example"].compactMap { Domain($0) })
    )
    return try StaticRecipients(configuration: configuration, services: services)
}

/// What the hub says about a configuration: path and message of each problem.
func problems(in configuration: String, folder: String = ".") throws -> [String] {
    let section = try ConfigurationSection.parse(configuration, folder: folder)
    _ = try make(section)
    return section.problems().map { "\($0.path): \($0.message)" }
}

/// What the plugin says about an address, in short.
func answer(for address: String, _ configuration: String) async throws -> String {
    let section = try ConfigurationSection.parse(configuration)
    let plugin = try make(section)
    guard section.problems().isEmpty, let mailbox = Mailbox(address) else { return "\(section.problems())" }
    let session = SessionContext(
        identifier: "s1",
        clientAddress: .ipv4(0x7F00_0001),
        listener: "mx",
        role: .mx,
        helloName: nil,
        isRelayClient: false,
        facts: Facts(),
        logger: Logger(label: "test")
    )
    switch try await plugin.resolve(mailbox, session) {
    case .next: return "next"
    case .notFound: return "not found"
    case .unavailable(let reason): return "unavailable: \(reason)"
    case .found(let recipient):
        return (["found"] + recipient.edits.map(describe)).suffix(1).joined()
    }
}

private func describe(_ edit: RecipientEdit) -> String {
    switch edit {
    case .replace(let mailbox): "replace \(mailbox)"
    case .expand(let mailboxes, nil): "expand " + mailboxes.map(\.description).joined(separator: " ")
    case .expand, .add, .drop, .route, .routeMember, .limitSize: "\(edit)"
    }
}
