import Logging
import NIOPosix
import OAuth
import Reception
import SASL
import ServiceLifecycle
import TransportSecurity

/// Takes a changed file into use, without a restart and without dropping a session.
struct FileWatch: Service {
    /// A file, and when it was written.
    struct Content: Equatable {
        let path: String
        var stamp: FileStamp?
    }
    private let pool: NIOThreadPool
    private let inForce: @Sendable () async -> Content?
    private let changed: @Sendable (Content) async -> Void
    /// How often the file is looked at.
    private static let interval = Duration.seconds(2)

    /// - Parameters:
    ///   - inForce: what is used now, with the stamp that it had before it was read; `nil` for nothing.
    ///   - changed: reads what the file has now; called once for each change.
    init(
        pool: NIOThreadPool,
        inForce: @escaping @Sendable () async -> Content?,
        changed: @escaping @Sendable (Content) async -> Void
    ) {
        self.pool = pool
        self.inForce = inForce
        self.changed = changed
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var last: Content?
            while !Task.isCancelled {
                if let inForce = await self.inForce(),
                    let stamp = try? await self.pool.runIfActive({ FileStamp(path: inForce.path) })
                {
                    let found = Content(path: inForce.path, stamp: stamp)
                    if found != inForce, found != last { await self.changed(found) }
                    last = found
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }
}

extension FileWatch {
    /// The file of users.
    static func users(_ live: LiveConfiguration, pool: NIOThreadPool, logger: Logger) -> FileWatch {
        FileWatch(pool: pool) {
            live.current.configuration.authentication.accounts.map { Content(path: $0.path, stamp: $0.stamp) }
        } changed: { found in
            guard let accounts = live.current.configuration.authentication.accounts, accounts.path == found.path else {
                return
            }
            let result = try? await pool.runIfActive {
                Result { () throws(UserFileStorage.Failure) in
                    try UserFileStorage.read(found.path)
                }
            }
            switch result {
            case .success(let file):
                accounts.replace(with: file, stamp: found.stamp)
                logger.notice("users reloaded", metadata: ["users": "\(file.users.count)"])
            case .failure(let failure):
                logger.error("users kept: the changed file cannot be used", metadata: ["error": "\(failure)"])
            case nil: break
            }
        }
    }

    /// The keys that tokens are checked with.
    static func tokenKeys(_ live: LiveConfiguration, pool: NIOThreadPool, logger: Logger) -> FileWatch {
        FileWatch(pool: pool) {
            guard let tokens = live.current.configuration.tokens else { return nil }
            return Content(path: tokens.settings.keysPath, stamp: await tokens.stamp)
        } changed: { found in
            guard let tokens = live.current.configuration.tokens, tokens.settings.keysPath == found.path else { return }
            let result = try? await pool.runIfActive {
                Result { () throws(KeySet.Problem) in
                    try KeySetFile.read(found.path)
                }
            }
            switch result {
            case .success(let keys):
                await tokens.replace(with: keys, stamp: found.stamp)
                logger.notice("keys of tokens reloaded", metadata: ["keys": "\(keys.count)"])
            case .failure(let failure):
                logger.error("keys of tokens kept: the changed file cannot be used", metadata: ["error": "\(failure)"])
            case nil: break
            }
        }
    }
}
