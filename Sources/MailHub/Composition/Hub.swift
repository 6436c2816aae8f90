import Administration
import Delivery
import DNSResolver
import Foundation
import KeyValueStorage
import LDAPClient
import Logging
public import MailHubPlugin
import MailQueue
import NIOCore
import NIOPosix
import Reception
import ServiceLifecycle
import TLSReports
import TransportSecurity
import UnixSignals

/// The hub, wired together: the one place that knows every concrete type.
public enum Hub {
    /// Everything that is wrong with a configuration; empty where it can be used.
    ///
    /// - Parameter plugins: the plugin types that `"plugins"` may name.
    public static func check(configurationPath path: String, plugins: [any HubPlugin.Type]) -> [ConfigurationProblem] {
        do {
            _ = try HubConfigurationReader.read(path: path, registry: Self.checkingRegistry(plugins))
            return []
        } catch {
            return error.problems
        }
    }

    /// Which plugin runs at which stage, which of them get in each other's way, and what is likely a slip.
    ///
    /// - Throws: `ConfigurationProblems` where the configuration cannot be used.
    public static func overview(
        configurationPath path: String,
        plugins: [any HubPlugin.Type]
    ) throws -> ConfigurationOverview {
        let configuration = try HubConfigurationReader.read(path: path, registry: Self.checkingRegistry(plugins))
        return ConfigurationOverview(configuration)
    }

    /// Runs the hub until SIGTERM or SIGINT.
    ///
    /// - Parameters:
    ///   - configurationPath: config.json.
    ///   - plugins: the plugin types that `"plugins"` may name: the shipped ones, and one's own.
    /// - Throws: `ConfigurationProblems` or `HubFailure` where the hub cannot start.
    public static func run(configurationPath path: String, plugins: [any HubPlugin.Type]) async throws {
        let first = try HubConfigurationReader.read(path: path, registry: Self.checkingRegistry(plugins))
        try HubLogging.start(first.logSettings)
        let logger = Logger(label: "mailhub")
        ProcessLimits.raise(logger)
        let resolver = try UnboundResolver(settings: first.dns.settings)
        let storage: PluginStorage
        do {
            storage = try PluginStorage(directory: first.queue.directory, clock: SystemClock(), logger: logger)
        } catch {
            throw HubFailure("cannot open the plugins' file in \(first.queue.directory): \(error)")
        }
        let directories = DirectoryService(logger: logger)
        let probe = LateProbe()
        // Read again with the real services: plugins keep what they are given.
        let registry = PluginRegistry(plugins) { name, surroundings in
            PluginServices(
                logger: logger,
                clock: SystemClock(),
                // A plugin may look up two things in turn, and still answer itself when neither comes.
                resolver: resolver.within(surroundings.timeLimit * 2 / 5),
                directory: directories.directory(for: surroundings.directory),
                store: storage.store(of: name),
                counters: Counters(plugin: name),
                recipientProbe: probe,
                servedDomains: surroundings.servedDomains,
                postmaster: surroundings.postmaster,
                timeLimit: surroundings.timeLimit
            )
        }
        let configuration = try HubConfigurationReader.read(path: path, registry: registry)
        let pool = NIOThreadPool(numberOfThreads: 8)
        pool.start()
        // Of their own: whoever floods the hub with passwords does not keep files waiting.
        let passwordPool = NIOThreadPool(numberOfThreads: 2)
        passwordPool.start()
        // A directory that is slow to answer does not keep the users of the file waiting.
        let bindPool = NIOThreadPool(numberOfThreads: 8)
        bindPool.start()
        let eventLoops = MultiThreadedEventLoopGroup(numberOfThreads: configuration.eventLoops ?? System.coreCount)
        do {
            let services = try await Self.services(
                configuration,
                path: path,
                registry: registry,
                resolver: resolver,
                storage: storage,
                probe: probe,
                eventLoops: eventLoops,
                pool: pool,
                passwordPool: passwordPool,
                bindPool: bindPool,
                directories: directories,
                logger: logger
            )
            try await services.run()
        } catch {
            HubLogging.flush()
            throw error
        }
        resolver.shutDown()
        try? await eventLoops.shutdownGracefully()
        try? await pool.shutdownGracefully()
        try? await passwordPool.shutdownGracefully()
        try? await bindPool.shutdownGracefully()
        logger.notice("hub stopped")
        HubLogging.flush()
    }

    /// What salts of users who do not exist are made from: kept, since those of users do not change at a restart either.
    private static func decoySecret(_ storage: PluginStorage) async throws -> [UInt8] {
        let fresh = try Digest.random(32)
        let kept = try? await storage.store(of: "/submission").update([UInt8].self, for: "decoys") { known in
            let secret = known ?? fresh
            known = secret
            return (expires: nil, result: secret)
        }
        return kept ?? fresh
    }

    /// Makes plugins that are only looked at: nothing that they do reaches anything.
    private static func checkingRegistry(_ plugins: [any HubPlugin.Type]) -> PluginRegistry {
        let directories = DirectoryService(logger: Logger(label: "mailhub.check"))
        return PluginRegistry(plugins) { _, surroundings in
            PluginServices(
                logger: Logger(label: "mailhub.check"),
                clock: SystemClock(),
                resolver: NoResolver(),
                directory: directories.directory(for: surroundings.directory),
                servedDomains: surroundings.servedDomains,
                postmaster: surroundings.postmaster,
                timeLimit: surroundings.timeLimit
            )
        }
    }

    private static func services(
        _ configuration: HubConfiguration,
        path: String,
        registry: PluginRegistry,
        resolver: any ValidatingResolver,
        storage: PluginStorage,
        probe: LateProbe,
        eventLoops: MultiThreadedEventLoopGroup,
        pool: NIOThreadPool,
        passwordPool: NIOThreadPool,
        bindPool: NIOThreadPool,
        directories: DirectoryService,
        logger: Logger
    ) async throws -> ServiceGroup {
        let clock = SystemClock()
        let store: SQLiteQueueStore
        do {
            store = try SQLiteQueueStore(directory: configuration.queue.directory, pool: pool, logger: logger)
        } catch StoreError.unavailable(let reason) {
            throw HubFailure("cannot open the queue: \(reason)")
        } catch {
            throw HubFailure("cannot open the queue in \(configuration.queue.directory): \(error)")
        }
        let sts = configuration.mtaSTS.map { settings in
            STSPolicies(
                resolver: resolver,
                source: STSPolicyHosts(settings, resolver: resolver, eventLoops: eventLoops),
                store: storage.store(of: STSPolicyHosts.storeName),
                clock: clock,
                logger: logger
            )
        }
        let reporter = configuration.tlsReports.map { settings in
            TLSReporter(
                .init(
                    organization: settings.organization,
                    contact: settings.contact,
                    hostname: configuration.host.canonical
                ),
                resolver: resolver,
                store: storage.store(of: "/tls-reports"),
                clock: clock,
                logger: logger
            )
        }
        let published = PublishedPolicies(dane: DANELookup(resolver: resolver), sts: sts, results: reporter)
        let bindThreads = BindThreads(pool: bindPool)
        let derive: @Sendable (HubConfiguration) -> LiveConfiguration.Snapshot = { configuration in
            let passwords = configuration.directory.flatMap { settings in
                directories.directory(for: settings).map {
                    LDAPPasswords(settings: settings, directory: $0, threads: bindThreads)
                }
            }
            return .init(
                configuration,
                resolver: resolver,
                published: published,
                content: store.content,
                pool: pool,
                passwords: passwords,
                logger: logger
            )
        }
        let live = LiveConfiguration(derive(configuration))
        probe.become(
            RouteProbe(eventLoops: eventLoops) {
                let snapshot = live.current
                return (snapshot.router, snapshot.transports)
            }
        )
        var settings = QueueSettings()
        settings.retry = configuration.queue.retry
        settings.maximumActive = configuration.queue.maximumActive
        let queue = MailQueue(
            store: store,
            settings: settings,
            clock: clock,
            logger: logger,
            route: { live.current.router.destination(for: $0) },
            composer: LiveNotificationComposer(live: live, contents: store.content, clock: clock, logger: logger)
        )
        let throttles = ThrottleTable(clock: clock) { live.current.configuration.throttles.limits(for: $0) }
        var dispatch = DispatchSettings()
        dispatch.idleTime = configuration.delivery.idleTime
        dispatch.maximumSessions = configuration.delivery.maximumSessions
        let dispatcher = DeliveryDispatcher(
            source: queue,
            eventLoops: eventLoops,
            throttles: throttles,
            settings: dispatch,
            hooks: DeliveryHookStages(
                content: store.content,
                clock: clock,
                eventLoops: eventLoops,
                logger: logger
            ) { live.current.hooks },
            clock: clock,
            logger: logger
        ) { live.current.transports[$0.route] }
        let listeners = ListenerGroup(
            eventLoops: eventLoops,
            services: ReceptionServices(
                intake: queue,
                clock: clock,
                logger: logger,
                budget: ConnectionBudget(limit: ProcessLimits.connections),
                passwords: PasswordsOnThreads(pool: passwordPool),
                decoySecret: try await self.decoySecret(storage)
            )
        ) { live.current.reception }
        try await listeners.apply(configuration.listeners)
        let plugins = PluginsService(storage: storage, logger: logger)
        plugins.replace(with: configuration.plugins, observers: live.current.hooks.observers)
        let reloader = Reloader(
            path: path,
            registry: registry,
            live: live,
            listeners: listeners,
            throttles: throttles,
            plugins: plugins,
            logger: logger,
            derive: derive
        )
        let control = ControlServer(
            path: configuration.controlSocket,
            handler: OperatorHandler(
                live: live,
                queue: queue,
                throttles: throttles,
                listeners: listeners,
                started: clock.now,
                clock: clock,
                reloader: reloader,
                tls: TLSTest(live: live, resolver: resolver, eventLoops: eventLoops),
                reporter: reporter
            ),
            group: eventLoops,
            logger: logger
        )
        for listener in configuration.listeners {
            logger.notice(
                "listening",
                metadata: [
                    "listener": "\(listener.name)", "address": "\(listener.address)", "port": "\(listener.port)",
                ]
            )
        }
        // Shut down from the last to the first: no new mail, no new deliveries, then the queue.
        var services: [any Service] = [
            plugins, QueueService(queue: queue), DispatcherService(dispatcher: dispatcher),
            ControlService(server: control),
            ReloadService(reloader: reloader), CertificateWatch(live: live, pool: pool, logger: logger),
            FileWatch.users(live, pool: pool, logger: logger), FileWatch.tokenKeys(live, pool: pool, logger: logger),
            listeners,
        ]
        if let reporter, let settings = configuration.tlsReports {
            let outlet = TLSReportOutlet(
                settings,
                queue: queue,
                resolver: resolver,
                eventLoops: eventLoops,
                clock: clock
            )
            services.append(TLSReportService(reporter: reporter, outlet: outlet))
        }
        if let sts { services.insert(STSRefreshService(policies: sts), at: 0) }
        var group = ServiceGroupConfiguration(
            services: services.map { .init(service: $0) },
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        group.maximumGracefulShutdownDuration = configuration.shutdownGrace
        return ServiceGroup(configuration: group)
    }
}

extension HubConfiguration {
    var logSettings: LogSettings {
        LogSettings(
            level: Logger.Level(rawValue: self.logging.level.rawValue) ?? .info,
            format: self.logging.format == .json ? .json : .text
        )
    }
}

extension MailQueue: MessageIntake {}
