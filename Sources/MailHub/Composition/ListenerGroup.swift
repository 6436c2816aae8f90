import Glibc
import Logging
import NIOCore
import Reception
import ServiceLifecycle
import Synchronization

/// The listeners of the configuration: opened before the hub says that it is ready, changed by a reload.
///
/// A reload binds what is new before it lets go of anything, so that a port that is taken leaves everything as it was.
final class ListenerGroup: Service {
    private struct Place: Hashable {
        let address: String
        let port: Int

        init(_ settings: ListenerSettings) {
            self.address = settings.address
            self.port = settings.port
        }
    }
    private let eventLoops: any EventLoopGroup
    private let current: @Sendable () -> ReceptionSettings
    private let services: ReceptionServices
    private let listeners = Mutex<[Place: Listener]>([:])
    private let opened: AsyncStream<Listener>
    private let opening: AsyncStream<Listener>.Continuation

    init(
        eventLoops: any EventLoopGroup,
        services: ReceptionServices,
        current: @escaping @Sendable () -> ReceptionSettings
    ) {
        self.eventLoops = eventLoops
        self.services = services
        self.current = current
        (self.opened, self.opening) = AsyncStream.makeStream()
    }

    /// Opens, updates and closes listeners so that they are those that are wanted.
    ///
    /// - Throws: where an address cannot be bound; then nothing has changed.
    func apply(_ wanted: [ListenerSettings]) async throws {
        let present = self.listeners.withLock { $0 }
        var fresh: [Place: Listener] = [:]
        do {
            for settings in wanted where present[Place(settings)] == nil {
                fresh[Place(settings)] = try await self.bind(settings)
            }
        } catch {
            for listener in fresh.values { await listener.shutDown() }
            throw error
        }
        let places = Set(wanted.map(Place.init))
        for settings in wanted { present[Place(settings)]?.update(settings) }
        let gone = present.filter { !places.contains($0.key) }
        self.listeners.withLock { listeners in
            listeners.merge(fresh) { $1 }
            for place in gone.keys { listeners[place] = nil }
        }
        for listener in fresh.values { self.opening.yield(listener) }
        for listener in gone.values { await listener.shutDown() }
    }

    private func bind(_ settings: ListenerSettings) async throws -> Listener {
        do {
            return try await Listener.bind(
                settings,
                group: self.eventLoops,
                current: self.current,
                services: self.services
            )
        } catch {
            throw HubFailure(
                "cannot listen on \(settings.address) port \(settings.port) (\(settings.name)): \(HubFailure.reason(error))"
            )
        }
    }

    /// Serves until graceful shutdown; returns when the last client is gone.
    func run() async throws {
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                for await listener in self.opened {
                    group.addTask {
                        do {
                            try await listener.run()
                        } catch is CancellationError {
                            // Another service has failed, which is told by that.
                        } catch {
                            self.services.logger.error(
                                "listener failed",
                                metadata: ["listener": "\(listener.settings.name)", "error": "\(error)"]
                            )
                        }
                    }
                }
                for listener in self.listeners.withLock({ Array($0.values) }) { await listener.shutDown() }
            }
        } onGracefulShutdown: {
            self.opening.finish()
        }
    }

    /// Sessions at present.
    var sessionCount: Int { self.listeners.withLock { $0.values.reduce(0) { $0 + $1.sessionCount } } }
}

/// Why the hub cannot start, or cannot do what it was asked: for the operator's eyes.
public struct HubFailure: Error, CustomStringConvertible {
    /// One or more lines.
    public let description: String

    /// Makes a failure with its text.
    public init(_ description: String) { self.description = description }

    /// What an error says to an operator.
    static func reason(_ error: any Error) -> String {
        guard let error = error as? IOError else { return "\(error)" }
        return unsafe String(cString: strerror(error.errnoCode)).lowercased()
    }
}
