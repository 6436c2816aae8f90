public import MailHubPlugin
import Synchronization

/// A clock that a test moves by hand.
public final class ManualClock: WallClock {
    private let instant = Mutex(Timestamp(milliseconds: 1_700_000_000_000))

    /// Begins in November 2023.
    public init() {}

    /// The present instant.
    public var now: Timestamp { self.instant.withLock { $0 } }

    /// Moves on.
    public func advance(by duration: Duration) { self.instant.withLock { $0 = $0 + duration } }
}

/// A resolver that answers what a test has written down, and `notFound` for the rest.
public final class ScriptedResolver: NameResolver {
    private struct State {
        var addresses: [String: Lookup<[IPAddress]>] = [:]
        var texts: [String: Lookup<[String]>] = [:]
        var asked: [String] = []
        var hanging: Set<String> = []
    }
    private let state = Mutex(State())

    /// Knows nothing.
    public init() {}

    /// What was asked for, in order of arrival.
    public var asked: [String] { self.state.withLock { $0.asked } }

    /// Writes down the addresses of a host.
    public func set(_ addresses: Lookup<[IPAddress]>, for host: String) {
        self.state.withLock { $0.addresses[host] = addresses }
    }

    /// Never answers for a host until the question is cancelled.
    public func hang(on host: String) { self.state.withLock { _ = $0.hanging.insert(host) } }

    /// Writes down the texts of a name.
    public func set(_ texts: Lookup<[String]>, forTextsOf name: String) {
        self.state.withLock { $0.texts[name] = texts }
    }

    /// Nothing.
    public func mailExchangers(of domain: String) async -> Lookup<[MailExchanger]> { .notFound }

    /// What was written down for the host, or else for `*`.
    public func addresses(of host: String) async -> Lookup<[IPAddress]> {
        let (answer, hangs) = self.state.withLock { state in
            state.asked.append(host)
            return (state.addresses[host] ?? state.addresses["*"] ?? .notFound, state.hanging.contains(host))
        }
        if hangs { try? await Task.sleep(for: .seconds(60)) }
        return answer
    }

    /// What was written down.
    public func texts(of name: String) async -> Lookup<[String]> {
        self.state.withLock { $0.texts[name] ?? .notFound }
    }

    /// Nothing.
    public func names(of address: IPAddress) async -> Lookup<[String]> { .notFound }
}

/// The services of one test, each at hand.
public struct TestServices: Sendable {
    /// The clock.
    public let clock = ManualClock()
    /// The resolver.
    public let resolver = ScriptedResolver()
    /// The store; its entries expire by the clock.
    public let store: MemoryKeyValueStore
    /// The counters.
    public let counters = Counters()
    /// What next hops say; set it before a plugin is made.
    public var recipientProbe: any RecipientProbe = NoRecipientProbe()

    /// Makes fresh ones.
    public init() { self.store = MemoryKeyValueStore(clock: self.clock) }

    /// Makes a plugin of a configuration that must be right.
    public func make<Plugin: HubPlugin>(
        _ type: Plugin.Type,
        _ configuration: String,
        folder: String = ".",
        servedDomains: [String] = ["example.org"]
    ) throws -> Plugin {
        let (plugin, problems) = try self.read(type, configuration, folder: folder, servedDomains: servedDomains)
        guard problems.isEmpty else { throw WrongConfiguration(problems: problems) }
        return plugin
    }

    /// Makes a plugin of any configuration, and tells what is wrong with that: path and message of each problem.
    public func read<Plugin: HubPlugin>(
        _ type: Plugin.Type,
        _ configuration: String,
        folder: String = ".",
        servedDomains: [String] = ["example.org"]
    ) throws -> (plugin: Plugin, problems: [String]) {
        let section = try ConfigurationSection.parse(configuration, folder: folder)
        let services = PluginServices(
            logger: Logger(label: "test"),
            clock: self.clock,
            resolver: self.resolver,
            store: self.store,
            counters: self.counters,
            recipientProbe: self.recipientProbe,
            servedDomains: Set(servedDomains.compactMap { Domain($0) })
        )
        let plugin = try Plugin(configuration: section, services: services)
        return (plugin, section.problems().map { "\($0.path): \($0.message)" })
    }
}

/// A test's configuration has problems.
public struct WrongConfiguration: Error {
    /// What they are.
    public let problems: [String]
}
