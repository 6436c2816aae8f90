import MailHubPlugin
import Synchronization

/// Zones that a test has written down; one of them may hang.
final class ScriptedZones: NameResolver {
    private struct State {
        var addresses: [String: Lookup<[IPAddress]>] = [:]
        var texts: [String: Lookup<[String]>] = [:]
        var asked: [String] = []
        var hanging: Set<String> = []
    }
    private let state = Mutex(State())

    /// Knows nothing.
    init() {}

    /// What was asked for, in order of arrival.
    var asked: [String] { self.state.withLock { $0.asked } }

    /// Writes down the addresses of a host.
    func set(_ addresses: Lookup<[IPAddress]>, for host: String) {
        self.state.withLock { $0.addresses[host] = addresses }
    }

    /// Never answers for a host until the question is cancelled.
    func hang(on host: String) { self.state.withLock { _ = $0.hanging.insert(host) } }

    /// Writes down the texts of a name.
    func set(_ texts: Lookup<[String]>, forTextsOf name: String) {
        self.state.withLock { $0.texts[name] = texts }
    }

    /// Nothing.
    func mailExchangers(of domain: String) async -> Lookup<[MailExchanger]> { .notFound }

    /// What was written down for the host, or else for `*`.
    func addresses(of host: String) async -> Lookup<[IPAddress]> {
        let (answer, hangs) = self.state.withLock { state in
            state.asked.append(host)
            return (state.addresses[host] ?? state.addresses["*"] ?? .notFound, state.hanging.contains(host))
        }
        if hangs { try? await Task.sleep(for: .seconds(60)) }
        return answer
    }

    /// What was written down.
    func texts(of name: String) async -> Lookup<[String]> {
        self.state.withLock { $0.texts[name] ?? .notFound }
    }

    /// Nothing.
    func names(of address: IPAddress) async -> Lookup<[String]> { .notFound }
}

extension ScriptedZones {
    /// Writes down addresses with spaces between them, `?` for unavailable, `-` for none.
    func answer(_ text: String, for name: String) {
        switch text {
        case "?": self.set(.unavailable("down"), for: name)
        case "-": self.set(.notFound, for: name)
        default: self.set(.found(text.split(separator: " ").compactMap { IPAddress($0) }), for: name)
        }
    }
}
