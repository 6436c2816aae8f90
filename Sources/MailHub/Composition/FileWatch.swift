import Logging
import NIOPosix
import OAuth
import Reception
import SASL
import ServiceLifecycle
import TransportSecurity

/// Takes a changed file into use, without a restart and without dropping a session.
struct FileWatch: Service {
    private let pool: NIOThreadPool
    private let path: @Sendable () -> String?
    private let changed: @Sendable () async -> Void
    /// How often the file is looked at.
    private static let interval = Duration.seconds(2)

    /// - Parameters:
    ///   - path: the file that is in force now.
    ///   - changed: called when it is another one than before: the configuration's reader has read the first state.
    init(pool: NIOThreadPool, path: @escaping @Sendable () -> String?, changed: @escaping @Sendable () async -> Void) {
        self.pool = pool
        self.path = path
        self.changed = changed
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var last: (path: String, stamp: FileStamp)?
            while !Task.isCancelled {
                if let path = self.path(), let stamp = try? await self.pool.runIfActive({ FileStamp(path: path) }) {
                    if let last, last.path == path, last.stamp != stamp { await self.changed() }
                    last = (path, stamp)
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }
}

extension FileWatch {
    /// The file of users.
    static func users(_ live: LiveConfiguration, pool: NIOThreadPool, logger: Logger) -> FileWatch {
        FileWatch(pool: pool, path: { live.current.configuration.authentication.accounts?.path }) {
            guard let accounts = live.current.configuration.authentication.accounts else { return }
            let path = accounts.path
            let result = try? await pool.runIfActive {
                Result { () throws(UserFileStorage.Failure) in
                    try UserFileStorage.read(path)
                }
            }
            switch result {
            case .success(let file):
                accounts.replace(with: file)
                logger.notice("users reloaded", metadata: ["users": "\(file.users.count)"])
            case .failure(let failure):
                logger.error("users kept: the changed file cannot be used", metadata: ["error": "\(failure)"])
            case nil: break
            }
        }
    }

    /// The keys that tokens are checked with.
    static func tokenKeys(_ live: LiveConfiguration, pool: NIOThreadPool, logger: Logger) -> FileWatch {
        FileWatch(pool: pool, path: { live.current.configuration.tokens?.settings.keysPath }) {
            guard let tokens = live.current.configuration.tokens else { return }
            let path = tokens.settings.keysPath
            let result = try? await pool.runIfActive {
                Result { () throws(KeySet.Problem) in
                    try KeySetFile.read(path)
                }
            }
            switch result {
            case .success(let keys):
                await tokens.replace(with: keys)
                logger.notice("keys of tokens reloaded", metadata: ["keys": "\(keys.count)"])
            case .failure(let failure):
                logger.error("keys of tokens kept: the changed file cannot be used", metadata: ["error": "\(failure)"])
            case nil: break
            }
        }
    }
}
