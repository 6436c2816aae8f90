public import MailHubPlugin
@_exported public import MailHubPluginTesting

/// The services of one test, each at hand.
public struct TestServices: Sendable {
    /// The clock.
    public let clock = ManualClock(Timestamp(milliseconds: 1_700_000_000_000))
    /// The resolver; set it before a plugin is made.
    public var resolver: any NameResolver = ScriptedResolver()
    /// The store; its entries expire by the clock.
    public let store: MemoryKeyValueStore
    /// The counters.
    public let counters = Counters()
    /// What next hops say; set it before a plugin is made.
    public var recipientProbe: any RecipientProbe = NoRecipientProbe()
    /// How long a call may take; set it before a plugin is made.
    public var timeLimit: Duration = .seconds(10)

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
            servedDomains: Set(servedDomains.compactMap { Domain($0) }),
            timeLimit: self.timeLimit
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
