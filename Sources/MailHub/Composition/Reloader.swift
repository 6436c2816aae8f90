import Administration
import Logging
import MailHubPlugin
import MailQueue
import NIOPosix
import Synchronization

/// Reads config.json again and puts it in force, or keeps the old one and says why (SIGHUP, `mailhub reload`).
actor Reloader {
    private let path: String
    private let registry: PluginRegistry
    /// What the process was started with.
    private let atStart: HubConfiguration
    private let live: LiveConfiguration
    private let listeners: ListenerGroup
    private let throttles: ThrottleTable
    private let plugins: PluginsService
    private let derive: @Sendable (HubConfiguration) -> LiveConfiguration.Snapshot
    private let logger: Logger
    private var isReloading = false
    /// Who came while a reload was under way.
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(
        path: String,
        registry: PluginRegistry,
        live: LiveConfiguration,
        listeners: ListenerGroup,
        throttles: ThrottleTable,
        plugins: PluginsService,
        logger: Logger,
        derive: @escaping @Sendable (HubConfiguration) -> LiveConfiguration.Snapshot
    ) {
        self.path = path
        self.registry = registry
        self.atStart = live.current.configuration
        self.live = live
        self.listeners = listeners
        self.throttles = throttles
        self.plugins = plugins
        self.logger = logger
        self.derive = derive
    }

    /// Sessions that are open keep what they began with; new ones, and all deliveries, go by the new configuration.
    ///
    /// One at a time: a signal and a command at once, or two signals, are carried out one after the other.
    func reload() async throws -> ReloadReport {
        while self.isReloading { await withCheckedContinuation { self.waiting.append($0) } }
        self.isReloading = true
        defer {
            self.isReloading = false
            let next = self.waiting
            self.waiting = []
            for continuation in next { continuation.resume() }
        }
        do {
            var configuration = try HubConfigurationReader.read(path: self.path, registry: self.registry)
            let old = self.live.current.configuration
            await configuration.keepCredentials(of: old)
            try await self.listeners.apply(configuration.listeners)
            let snapshot = self.derive(configuration)
            self.live.replace(with: snapshot)
            self.plugins.replace(with: snapshot.configuration.plugins, observers: snapshot.hooks.observers)
            await self.throttles.limitsChanged()
            try HubLogging.start(configuration.logSettings)
            let report = ConfigurationChange(atStart: self.atStart, old: old, new: configuration).report
            self.logger.notice(
                "configuration reloaded",
                metadata: [
                    "changed": "\(report.applied.joined(separator: ", "))",
                    "needs-restart": "\(report.needsRestart.joined(separator: ", "))",
                ]
            )
            return report
        } catch {
            self.logger.error("configuration kept: the new one cannot be used", metadata: ["error": "\(error)"])
            throw ControlFailure(.failed, "the running configuration is kept:\n\(error)")
        }
    }
}
