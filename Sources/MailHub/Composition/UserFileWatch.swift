import Logging
import NIOPosix
import Reception
import SASL
import ServiceLifecycle
import TransportSecurity

/// Takes a changed file of users into use, without a restart and without dropping a session.
struct UserFileWatch: Service {
    private let live: LiveConfiguration
    private let pool: NIOThreadPool
    private let logger: Logger
    /// How often the file is looked at.
    private static let interval = Duration.seconds(2)

    init(live: LiveConfiguration, pool: NIOThreadPool, logger: Logger) {
        self.live = live
        self.pool = pool
        self.logger = logger
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var last: (path: String, stamp: FileStamp)?
            while !Task.isCancelled {
                if let accounts = self.live.current.configuration.authentication.accounts {
                    let path = accounts.path
                    if let stamp = try? await self.pool.runIfActive({ FileStamp(path: path) }) {
                        // The configuration's reader has read the first state.
                        if let last, last.path == path, last.stamp != stamp { await self.reload(accounts) }
                        last = (path, stamp)
                    }
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    private func reload(_ accounts: UserAccounts) async {
        let path = accounts.path
        let result = try? await self.pool.runIfActive {
            Result { () throws(UserFileStorage.Failure) in
                try UserFileStorage.read(path)
            }
        }
        switch result {
        case .success(let file):
            accounts.replace(with: file)
            self.logger.notice("users reloaded", metadata: ["users": "\(file.users.count)"])
        case .failure(let failure):
            self.logger.error("users kept: the changed file cannot be used", metadata: ["error": "\(failure)"])
        case nil: break
        }
    }
}
