import MailHubPlugin
import SizeLimits

/// A resolver that the plugin must not need: it knows nothing.
struct NoNames: NameResolver {
    func mailExchangers(of domain: String) async -> Lookup<[MailExchanger]> { .notFound }
    func addresses(of host: String) async -> Lookup<[IPAddress]> { .notFound }
    func texts(of name: String) async -> Lookup<[String]> { .notFound }
    func names(of address: IPAddress) async -> Lookup<[String]> { .notFound }
}

struct FixedClock: WallClock {
    let now = Timestamp(milliseconds: 1_700_000_000_000)
}

func make(_ configuration: ConfigurationSection) throws -> SizeLimits {
    let services = PluginServices(
        logger: Logger(label: "test"),
        clock: FixedClock(),
        resolver: NoNames(),
        servedDomains: []
    )
    return try SizeLimits(configuration: configuration, services: services)
}

func plugin(_ configuration: String) throws -> SizeLimits { try make(ConfigurationSection.parse(configuration)) }

func session(_ listener: String) -> SessionContext {
    SessionContext(
        identifier: "s1",
        clientAddress: .ipv4(0x7F00_0001),
        listener: listener,
        role: .mx,
        helloName: nil,
        isRelayClient: false,
        facts: Facts(),
        logger: Logger(label: "test")
    )
}

func transaction(size: Int?, _ recipients: [EnvelopeRecipient] = []) -> TransactionContext {
    var envelope = Envelope(reversePath: .null, recipients: recipients)
    envelope.declaredSize = size
    return TransactionContext(envelope: envelope, queueIdentifier: "q1", facts: Facts())
}

func describe(_ outcome: SenderOutcome) -> String {
    switch outcome {
    case .next: "next"
    case .change(let edits): edits.map(describe).joined(separator: ", ")
    case .reject(let reply): describe(reply)
    default: "\(outcome)"
    }
}

func describe(_ outcome: RecipientOutcome) -> String {
    switch outcome {
    case .next: "next"
    case .change(let edits): edits.map(describe).joined(separator: ", ")
    case .reject(let reply): describe(reply)
    default: "\(outcome)"
    }
}

func describe(_ outcome: MessageOutcome) -> String {
    switch outcome {
    case .next: "next"
    case .reject(let reply): describe(reply)
    default: "\(outcome)"
    }
}

private func describe(_ edit: SenderEdit) -> String {
    if case .limitSize(let limit) = edit { "limit \(limit)" } else { "\(edit)" }
}

private func describe(_ edit: RecipientEdit) -> String {
    if case .limitSize(let limit) = edit { "limit \(limit)" } else { "\(edit)" }
}

private func describe(_ reply: Reply) -> String { "\(reply.code) \(reply.enhancedText ?? "")" }
