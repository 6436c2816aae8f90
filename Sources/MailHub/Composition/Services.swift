import Administration
import Delivery
import Glibc
import Logging
import MailHubPlugin
import MailQueue
import ServiceLifecycle
import SMTP
import UnixSignals

/// The queue's schedule; the queue is closed when everything that uses it has ended.
struct QueueService: Service {
    let queue: MailQueue

    func run() async throws {
        await cancelWhenGracefulShutdown { await self.queue.run() }
        await self.queue.close()
    }
}

/// The deliveries: at shutdown transactions end, and no more begin.
struct DispatcherService: Service {
    let dispatcher: DeliveryDispatcher

    func run() async throws {
        await withGracefulShutdownHandler {
            await self.dispatcher.run()
        } onGracefulShutdown: {
            self.dispatcher.shutDown()
        }
    }
}

/// The operator's socket.
struct ControlService: Service {
    let server: ControlServer

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await self.server.run() }
        } catch let error where !(error is CancellationError) {
            throw HubFailure("the control socket cannot be used: \(HubFailure.reason(error))")
        }
    }
}

/// Reloads at SIGHUP.
struct ReloadService: Service {
    let reloader: Reloader

    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sighup)
        for await _ in signals.cancelOnGracefulShutdown() {
            _ = try? await self.reloader.reload()  // says in the log what came of it
        }
    }
}

/// What the process may use.
enum ProcessLimits {
    /// Descriptors kept for the queue, the log, libraries, deliveries under way and the operator.
    private static let reserve = 128

    /// Connections that listeners may have at one time: a session with a large message has a file beside its socket, and as
    /// many again may be on their way out.
    static var connections: Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        return max((Int(clamping: limit.rlim_cur) - self.reserve) / 2, 16)
    }

    /// As many file descriptors as the system allows: one a session.
    static func raise(_ logger: Logger) {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0,
            limit.rlim_cur < limit.rlim_max
        else {
            return
        }
        limit.rlim_cur = limit.rlim_max
        if unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 {
            logger.warning("the limit of open files cannot be raised")
        }
    }
}

/// The DNS while a configuration is only checked: nobody is asked.
struct NoResolver: NameResolver {
    func mailExchangers(of domain: String) async -> Lookup<[MailExchanger]> { .unavailable("checking only") }
    func addresses(of host: String) async -> Lookup<[IPAddress]> { .unavailable("checking only") }
    func texts(of name: String) async -> Lookup<[String]> { .unavailable("checking only") }
    func names(of address: IPAddress) async -> Lookup<[String]> { .unavailable("checking only") }
}
