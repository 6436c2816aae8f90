import Foundation
import Logging
import NIOPosix
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

    /// Certificates that are looked at together.
    private struct Watched {
        /// Whose they are, for the log.
        let owner: Logger.Metadata
        let notAfter: @Sendable () -> Int64
        let reload: @Sendable () -> CertificateReload
    }

    /// Those of listeners, and those by which next hops know the hub.
    private var watched: [Watched] {
        let configuration = self.live.current.configuration
        let servers = configuration.listeners.compactMap { listener in
            listener.tls.map { tls in
                Watched(
                    owner: ["listener": "\(listener.name)"],
                    notAfter: { tls.server.notAfter },
                    reload: { tls.server.reloadIfChanged() }
                )
            }
        }
        let clients = configuration.routeTLS.sorted { $0.key < $1.key }.compactMap { route, tls in
            tls.client.certificate.map { certificate in
                Watched(
                    owner: ["route": "\(route)"],
                    notAfter: { certificate.facts.notAfter },
                    reload: { certificate.reloadIfChanged() }
                )
            }
        }
        return servers + clients
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var warned: ContinuousClock.Instant?
            while !Task.isCancelled {
                let all = self.watched
                for watched in all { await self.look(at: watched) }
                if warned.map({ ContinuousClock.now - $0 > .seconds(86400) }) ?? true {
                    warned = .now
                    for watched in all { self.warn(about: watched) }
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    private func look(at watched: Watched) async {
        switch try? await self.pool.runIfActive({ watched.reload() }) {
        case .reloaded:
            self.logger.notice("certificates reloaded", metadata: watched.owner)
            self.warn(about: watched)
        case .failed(let problem):
            self.logger.error(
                "certificates kept: the changed files cannot be used",
                metadata: watched.owner.merging(["error": "\(problem)"]) { $1 }
            )
        case .unchanged, nil:
            break
        }
    }

    private func warn(about watched: Watched) {
        let left = watched.notAfter() - Int64(Date().timeIntervalSince1970)
        guard left < Self.warning else { return }
        self.logger.warning(
            left < 0 ? "a certificate has expired" : "a certificate ends soon",
            metadata: watched.owner.merging(["days": "\(left / 86400)"]) { $1 }
        )
    }
}
