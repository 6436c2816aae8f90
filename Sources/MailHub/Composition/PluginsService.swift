import KeyValueStorage
import Logging
import MailHubPlugin
import ServiceLifecycle
import Synchronization

/// What plugins do beside the sessions: their own tasks and observers, and the sweeping of their stores.
///
/// A reload hands over the new plugins; the tasks of those that they replace are cancelled. Their observers go on until the last
/// session from before the reload is over.
final class PluginsService: Service {
    private let storage: PluginStorage
    private let logger: Logger
    private struct Generation {
        let plugins: [ConfiguredPlugin]
        let fan: EventFan?
    }
    private let generations: AsyncStream<Generation>
    private let next: AsyncStream<Generation>.Continuation

    init(storage: PluginStorage, logger: Logger) {
        self.storage = storage
        self.logger = logger
        (self.generations, self.next) = AsyncStream.makeStream()
    }

    /// Starts the tasks of these plugins, and ends those of the plugins before.
    ///
    /// - Parameter observers: what sessions tell that know these plugins.
    func replace(with plugins: [ConfiguredPlugin], observers: EventFan?) {
        self.next.yield(Generation(plugins: plugins, fan: observers))
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.sweep() }
                await self.runGenerations()
                group.cancelAll()
            }
        }
        self.storage.close()
    }

    private func runGenerations() async {
        await withTaskGroup(of: Void.self) { group in
            var cancelPresent: (@Sendable () -> Void)?
            // Not kept here: it ends with the last session that tells it something.
            weak var fan: EventFan?
            for await generation in self.generations {
                cancelPresent?()
                let (ended, end) = AsyncStream<Void>.makeStream()
                cancelPresent = { end.finish() }
                fan = generation.fan
                if let streams = fan?.streams { group.addTask { await streams.run() } }
                let plugins = generation.plugins
                group.addTask { await self.run(plugins, until: ended) }
            }
            fan?.finish()
            group.cancelAll()
        }
    }

    /// Runs the tasks of one generation until its stream ends.
    private func run(_ plugins: [ConfiguredPlugin], until ended: AsyncStream<Void>) async {
        await withTaskGroup(of: Void.self) { group in
            for entry in plugins {
                guard let task = entry.plugin as? any PluginTask else { continue }
                group.addTask { await self.keepRunning(task, name: entry.name) }
            }
            for await _ in ended {}
            group.cancelAll()
        }
    }

    private func keepRunning(_ task: any PluginTask, name: String) async {
        while !Task.isCancelled {
            do {
                try await task.run()
                return
            } catch {
                guard !Task.isCancelled else { return }
                self.logger.error("plugin's task failed", metadata: ["plugin": "\(name)", "error": "\(error)"])
            }
            try? await Task.sleep(for: .seconds(30))
        }
    }

    private func sweep() async {
        while !Task.isCancelled {
            await self.storage.sweep()
            try? await Task.sleep(for: .seconds(60))
        }
    }
}
