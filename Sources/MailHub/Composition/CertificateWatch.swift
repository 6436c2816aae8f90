import Foundation
import Logging
import NIOPosix
import Reception
import ServiceLifecycle
import TransportSecurity

/// Takes certificates into use when their files change, without a restart and without dropping a session.
struct CertificateWatch: Service {
    private let live: LiveConfiguration
    private let pool: NIOThreadPool
    private let logger: Logger
    /// How often the files are looked at.
    private static let interval = Duration.seconds(5)
    /// A certificate that ends sooner is warned of, once a day.
    private static let warning: Int64 = 14 * 86400

    init(live: LiveConfiguration, pool: NIOThreadPool, logger: Logger) {
        self.live = live
        self.pool = pool
        self.logger = logger
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var warned: ContinuousClock.Instant?
            while !Task.isCancelled {
                let listeners = self.live.current.configuration.listeners
                for listener in listeners { await self.look(at: listener) }
                if warned.map({ ContinuousClock.now - $0 > .seconds(86400) }) ?? true {
                    warned = .now
                    for listener in listeners { self.warn(about: listener) }
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    private func look(at listener: ListenerSettings) async {
        guard let server = listener.tls?.server else { return }
        switch try? await self.pool.runIfActive({ server.reloadIfChanged() }) {
        case .reloaded:
            self.logger.notice("certificates reloaded", metadata: ["listener": "\(listener.name)"])
            self.warn(about: listener)
        case .failed(let problems):
            self.logger.error(
                "certificates kept: the changed files cannot be used",
                metadata: ["listener": "\(listener.name)", "error": "\(problems)"]
            )
        case .unchanged, nil:
            break
        }
    }

    private func warn(about listener: ListenerSettings) {
        guard let server = listener.tls?.server else { return }
        let left = server.notAfter - Int64(Date().timeIntervalSince1970)
        guard left < Self.warning else { return }
        self.logger.warning(
            left < 0 ? "a certificate has expired" : "a certificate ends soon",
            metadata: ["listener": "\(listener.name)", "days": "\(left / 86400)"]
        )
    }
}
