import Foundation
public import Logging
public import MailHubPlugin
import MailQueue
import NIOCore
import NIOEmbedded
import Reception
import SASL
import Synchronization

/// A hub in memory: real sessions with real plugins, but no sockets, no disk and no clock but the test's.
///
/// ```swift
/// let hub = try TestHub([.init(NoPrecedence.self, #"{ "allow": ["list"] }"#)])
/// let client = try await hub.connect()
/// #expect(try await client.send("EHLO client.example.net").hasPrefix("250"))
/// let reply = try await client.deliver(from: "a@example.net", to: ["ann@example.org"], "Precedence: bulk\r\n\r\nHi\r\n")
/// #expect(reply == "550 5.7.1 No bulk mail")
/// #expect(try await hub.messages.isEmpty)
/// ```
public final class TestHub: Sendable {
    /// A plugin as config.json would run it.
    public struct Plugin: Sendable {
        let name: String
        let make: @Sendable (ConfigurationSection, PluginServices) throws -> any HubPlugin
        let configuration: String
        let ignoresFailure: Bool
        let timeLimit: Duration
        let timeLimits: [Stage: Duration]
        let breaker: PluginHealth.Breaker

        /// - Parameters:
        ///   - configuration: the JSON object under `"configuration"`.
        ///   - ignoresFailure: `"onFailure": "ignore"`; otherwise `"defer"`.
        ///   - timeLimit: `"timeout"`.
        ///   - timeLimits: `"timeouts"`: for stages that have a limit of their own.
        ///   - breaksAfter: `"breaker"`: the failures in a row after which the plugin is not asked for `pause`.
        public init(
            _ type: any HubPlugin.Type,
            _ configuration: String = "{}",
            ignoresFailure: Bool = false,
            timeLimit: Duration = .seconds(10),
            timeLimits: [Stage: Duration] = [:],
            breaksAfter failures: Int = 5,
            pause: Duration = .seconds(30)
        ) {
            self.init(
                named: type.name,
                configuration,
                ignoresFailure: ignoresFailure,
                timeLimit: timeLimit,
                timeLimits: timeLimits,
                breaksAfter: failures,
                pause: pause
            ) { try type.init(configuration: $0, services: $1) }
        }

        /// A plugin that the test makes itself; the other parameters are as above.
        public init(
            named name: String,
            _ configuration: String = "{}",
            ignoresFailure: Bool = false,
            timeLimit: Duration = .seconds(10),
            timeLimits: [Stage: Duration] = [:],
            breaksAfter failures: Int = 5,
            pause: Duration = .seconds(30),
            make: @escaping @Sendable (ConfigurationSection, PluginServices) throws -> any HubPlugin
        ) {
            self.name = name
            self.make = make
            self.configuration = configuration
            self.ignoresFailure = ignoresFailure
            self.timeLimit = timeLimit
            self.timeLimits = timeLimits
            var breaker = PluginHealth.Breaker()
            (breaker.failures, breaker.pause) = (failures, pause)
            self.breaker = breaker
        }
    }

    /// What the listener that clients connect to is like.
    public struct Listener: Sendable {
        /// Its name in config.json.
        public var name = "mx"
        /// What it is for.
        public var role = ListenerRole.mx
        /// The domains that mail is taken for.
        public var servedDomains = ["example.org"]
        /// Networks whose clients may relay.
        public var relayNetworks: [String] = []
        /// What becomes of recipients of different opinion: `refuse`, `hold` or `bounce`.
        public var differingVerdicts = "refuse"
        /// Passwords of the users whom the hub knows itself, by name, for the role `submission`.
        public var users: [String: String] = [:]

        /// A listener for mail from the internet.
        public init() {}
    }

    /// The configuration of a plugin is wrong: what `mailhub check` would say.
    public struct ConfigurationRefused: Error, CustomStringConvertible {
        /// The problems.
        public let problems: [ConfigurationProblem]
        /// All problems, one below the other.
        public var description: String { self.problems.map(\.description).joined(separator: "\n") }
    }

    /// Wall-clock time; `advance(by:)` moves it together with the sessions' timers.
    public let clock = ManualClock()
    /// The DNS that plugins get.
    public let resolver = ScriptedResolver()
    /// The directory that plugins get.
    public let directory: ScriptedDirectory
    /// The plugins, made from their configuration, in order.
    public let plugins: [any HubPlugin]

    private let stores: [String: MemoryKeyValueStore]
    private let counterSets: [String: Counters]
    let intake: RecordingIntake
    private let listener: ListenerSettings
    private let settings: ReceptionSettings
    private let services: ReceptionServices
    private let rates = ClientRates()
    let logger: Logger
    let hooks: HookChains
    let loop = NIOAsyncTestingEventLoop()

    /// Makes a hub.
    ///
    /// - Parameter recipientProbe: what next hops say about recipients.
    /// - Throws: `ConfigurationRefused`, or what a plugin's initializer throws.
    public init(
        _ plugins: [Plugin],
        listener: Listener = Listener(),
        directory: ScriptedDirectory = ScriptedDirectory(),
        recipientProbe: any RecipientProbe = NoRecipientProbe(),
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) throws {
        self.directory = directory
        self.intake = try RecordingIntake()
        let domains = Set(listener.servedDomains.compactMap { Domain($0) })
        var made: [ConfiguredPlugin] = []
        var stores: [String: MemoryKeyValueStore] = [:]
        var counterSets: [String: Counters] = [:]
        for plugin in plugins {
            let name = plugin.name
            let store = stores[name] ?? MemoryKeyValueStore(clock: self.clock)
            let counters = counterSets[name] ?? Counters()
            (stores[name], counterSets[name]) = (store, counters)
            let section = try ConfigurationSection.parse(plugin.configuration)
            let services = PluginServices(
                logger: logger,
                clock: self.clock,
                resolver: self.resolver,
                directory: directory,
                store: store,
                counters: counters,
                recipientProbe: recipientProbe,
                servedDomains: domains,
                timeLimit: plugin.timeLimits.values.reduce(plugin.timeLimit, min)
            )
            let value = try plugin.make(section, services)
            let problems = section.problems()
            guard problems.isEmpty else { throw ConfigurationRefused(problems: problems) }
            made.append(
                ConfiguredPlugin(
                    name: name,
                    plugin: value,
                    timeLimit: plugin.timeLimit,
                    timeLimits: plugin.timeLimits,
                    onFailure: plugin.ignoresFailure ? .ignore : .defer,
                    breaker: plugin.breaker,
                    counters: counters
                )
            )
        }
        self.plugins = made.map(\.plugin)
        self.hooks = HookChains(made)
        self.logger = logger
        (self.stores, self.counterSets) = (stores, counterSets)
        self.listener = ListenerSettings(
            name: listener.name,
            address: "192.0.2.25",
            port: 25,
            role: listener.role,
            differingVerdicts: DifferingVerdicts(rawValue: listener.differingVerdicts) ?? .refuse
        )
        guard let host = Domain("hub.example.org"), let postmaster = Mailbox("postmaster@example.org") else {
            throw ConfigurationRefused(problems: [])
        }
        // Passwords go over no network here.
        var authentication = AuthenticationSettings()
        authentication.allowsClearText = true
        authentication.accounts = try Self.accounts(listener.users)
        self.settings = ReceptionSettings(
            host: host,
            servedDomains: domains,
            relayNetworks: listener.relayNetworks.compactMap { IPNetwork($0) },
            postmaster: postmaster,
            hooks: self.hooks,
            authentication: authentication
        )
        self.services = ReceptionServices(intake: self.intake, clock: self.clock, logger: logger)
    }

    private static func accounts(_ users: [String: String]) throws -> UserAccounts? {
        guard !users.isEmpty else { return nil }
        var file = UserFile()
        for (name, password) in users {
            // Few iterations: these passwords are no secrets.
            let keys = try SCRAMKeys(password: password, salt: Array("mailhub test hub".utf8), iterations: 4096)
            file.set(UserFile.User(name: name, keys: keys))
        }
        return try UserAccounts(path: "users", file)
    }

    /// The first plugin of a type: to call what no session calls, such as an `OperatorHook`.
    public func plugin<Plugin: HubPlugin>(_ type: Plugin.Type) -> Plugin? {
        self.plugins.lazy.compactMap { $0 as? Plugin }.first
    }

    /// The key-value store of a plugin, to look into it or to make it fail.
    public func store(of name: String) -> MemoryKeyValueStore { self.stores[name] ?? MemoryKeyValueStore() }

    /// The counters of a plugin.
    public func counters(of name: String) -> Counters { self.counterSets[name] ?? Counters() }

    var role: ListenerRole { self.listener.role }

    /// Moves the clock, and with it the time limits of sessions and plugins.
    public func advance(by duration: Duration) async {
        self.clock.advance(by: duration)
        await self.loop.advanceTime(by: TimeAmount(duration))
    }

    /// Connects a client; its greeting is `client.greeting`.
    ///
    /// - Parameter awaitingGreeting: whether to wait for it; a plugin may keep the client waiting.
    public func connect(
        from address: String = "192.0.2.7",
        awaitingGreeting: Bool = true
    ) async throws -> TestClient {
        let client = try await SessionClient.connect(
            to: SessionClient.Server(
                listener: self.listener,
                settings: self.settings,
                services: self.services,
                rates: self.rates,
                client: IPAddress(address) ?? .ipv4(0xC000_0207)
            ),
            on: self.loop
        )
        return TestClient(client, greeting: awaitingGreeting ? try await client.reply() ?? "" : "")
    }

    /// The messages that the hub has taken, in order.
    public var messages: [TestMessage] {
        get async throws {
            var result: [TestMessage] = []
            for message in self.intake.messages {
                result.append(TestMessage(message, octets: try await self.intake.octets(of: message)))
            }
            return result
        }
    }

    /// How often the hub has stored something: the copies of one message for different recipients go together.
    public var commits: Int { self.intake.commits }

    /// The files that hold large contents: one for each message of more than 128 KiB.
    public var contentFiles: [String] { self.intake.files }

    /// Recipients whose sender the hub notifies at once that they do not take a message that others take.
    public var notified: [Mailbox] { self.intake.failures.map(\.recipient.mailbox) }
}
