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
    private let live: LiveConfiguration
    private let listeners: ListenerGroup
    private let plugins: PluginsService
    private let derive: @Sendable (HubConfiguration) -> LiveConfiguration.Snapshot
    private let logger: Logger

    init(
        path: String,
        registry: PluginRegistry,
        live: LiveConfiguration,
        listeners: ListenerGroup,
        plugins: PluginsService,
        logger: Logger,
        derive: @escaping @Sendable (HubConfiguration) -> LiveConfiguration.Snapshot
    ) {
        self.path = path
        self.registry = registry
        self.live = live
        self.listeners = listeners
        self.plugins = plugins
        self.logger = logger
        self.derive = derive
    }

    /// Sessions that are open keep what they began with; new ones, and all deliveries, go by the new configuration.
    func reload() async throws -> ReloadReport {
        do {
            let configuration = try HubConfigurationReader.read(path: self.path, registry: self.registry)
            let old = self.live.current.configuration
            try await self.listeners.apply(configuration.listeners)
            let snapshot = self.derive(configuration)
            self.live.replace(with: snapshot)
            self.plugins.replace(with: snapshot)
            try HubLogging.start(configuration.logSettings)
            let report = ReloadReport(
                applied: ["listeners", "domains", "routes", "plugins", "throttles of new destinations", "log level"],
                needsRestart: Self.needsRestart(from: old, to: configuration)
            )
            self.logger.notice(
                "configuration reloaded",
                metadata: ["needs-restart": "\(report.needsRestart.joined(separator: ", "))"]
            )
            return report
        } catch {
            self.logger.error("configuration kept: the new one cannot be used", metadata: ["error": "\(error)"])
            throw ControlFailure(.failed, "the running configuration is kept:\n\(error)")
        }
    }

    /// Keys whose new values only a restart puts in force.
    private static func needsRestart(from old: HubConfiguration, to new: HubConfiguration) -> [String] {
        var keys: [String] = []
        if old.queue != new.queue { keys.append("queue") }
        if old.dns != new.dns { keys.append("dns") }
        if old.controlSocket != new.controlSocket { keys.append("control.socket") }
        if old.eventLoops != new.eventLoops { keys.append("eventLoops") }
        if old.shutdownGrace != new.shutdownGrace { keys.append("shutdownGrace") }
        if old.logging.format != new.logging.format { keys.append("logging.format") }
        if old.delivery.idleTime != new.delivery.idleTime
            || old.delivery.maximumSessions != new.delivery.maximumSessions
        {
            keys.append("delivery")
        }
        return keys
    }
}
