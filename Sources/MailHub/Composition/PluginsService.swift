import KeyValueStorage
import Logging
import MailHubPlugin
import ServiceLifecycle
import Synchronization

/// What plugins do beside the sessions: their own tasks and observers, and the sweeping of their stores.
///
/// A reload hands over the new plugins; those that they replace are cancelled.
final class PluginsService: Service {
    private let storage: PluginStorage
    private let logger: Logger
    private let generations: AsyncStream<LiveConfiguration.Snapshot>
    private let next: AsyncStream<LiveConfiguration.Snapshot>.Continuation

    init(storage: PluginStorage, logger: Logger) {
        self.storage = storage
        self.logger = logger
        (self.generations, self.next) = AsyncStream.makeStream()
    }

    /// Starts the tasks of these plugins, and ends those of the plugins before.
    func replace(with snapshot: LiveConfiguration.Snapshot) { self.next.yield(snapshot) }

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
            var present: (cancel: @Sendable () -> Void, fan: EventFan?)?
            for await snapshot in self.generations {
                present?.cancel()
                present?.fan?.finish()
                let (ended, end) = AsyncStream<Void>.makeStream()
                present = ({ end.finish() }, snapshot.hooks.observers)
                group.addTask { await self.run(snapshot, until: ended) }
            }
            present?.fan?.finish()
            group.cancelAll()
        }
    }

    /// Runs the tasks of one generation until its stream ends.
    private func run(_ snapshot: LiveConfiguration.Snapshot, until ended: AsyncStream<Void>) async {
        await withTaskGroup(of: Void.self) { group in
            if let fan = snapshot.hooks.observers { group.addTask { await fan.run() } }
            for entry in snapshot.configuration.plugins {
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
